"""Claims of processes on work that one of them does at a time."""
