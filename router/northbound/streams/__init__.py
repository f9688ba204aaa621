"""Runs that arrive as events of other systems."""
