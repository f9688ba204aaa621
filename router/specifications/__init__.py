"""Test specifications: what one says, and what a run takes from it."""
