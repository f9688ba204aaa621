"""Test specifications: the topic that keeps them, the store that lists them, and the runs that take from them."""
