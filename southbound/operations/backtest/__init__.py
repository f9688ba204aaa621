"""Decide recorded events again with a draft, and compare."""
