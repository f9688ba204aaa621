"""The wiring: settings, composition, command line."""
