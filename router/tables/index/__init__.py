"""Indexes that find the matching rows of a table without testing every row."""
