"""Limits of the calls to one system: how many at once, how often, and whether any is made."""
