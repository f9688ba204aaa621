"""Consume commands: send, change and cancel runs at external systems."""
