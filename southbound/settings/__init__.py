"""Settings: their definitions, their sources, and messages about wrong ones."""
