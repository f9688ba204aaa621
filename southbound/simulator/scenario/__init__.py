"""Scenarios: one file that describes any number of simulated systems."""
