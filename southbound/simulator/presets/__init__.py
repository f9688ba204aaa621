"""Simulated systems that behave as a known product does where it differs from TMF653."""
