"""The wiring of the gateway: settings, composition, command line."""
