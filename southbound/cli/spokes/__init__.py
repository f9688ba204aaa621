"""The commands about the profiles of external systems."""
