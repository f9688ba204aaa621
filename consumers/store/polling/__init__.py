"""Which runs are polled by which process, in SQL."""
