"""Decide what the northbound interface shows, accepts and tells: pure, without HTTP and storage."""
