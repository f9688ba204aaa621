"""Rebuild what is known of runs from the events on the topics, as a pure fold."""
