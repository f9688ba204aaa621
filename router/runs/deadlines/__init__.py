"""Deadlines: when a run that is at its system is late, and when it ends without a result."""
