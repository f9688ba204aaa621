"""Serve the systems that order runs: what they are told besides events."""
