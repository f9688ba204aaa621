"""Explain why a run, a partition or a system makes no progress."""
