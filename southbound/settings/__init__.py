"""Settings: their definitions, their sources, and the messages about wrong ones."""
