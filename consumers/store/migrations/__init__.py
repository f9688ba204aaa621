"""The migrations of the tables, one step per file."""
