"""Consume lifecycle events: decide what is sent and where, and write commands."""
