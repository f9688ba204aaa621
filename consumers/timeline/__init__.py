"""Record the timeline of every run, beside the work on it."""
