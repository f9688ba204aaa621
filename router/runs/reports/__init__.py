"""What an external system reports about a run, and what is kept of it."""
