"""Notify subscribers of what happens to runs."""
