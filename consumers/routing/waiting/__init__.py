"""Requests that wait: for a free use of a threshold, for children, for their deadline."""
