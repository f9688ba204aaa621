"""Requests that wait: for a threshold to free, for children, for their deadline."""
