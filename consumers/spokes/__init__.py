"""External systems and their protocols."""
