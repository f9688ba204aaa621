"""Decide what the northbound interface returns, accepts and publishes: pure, without HTTP and storage."""
