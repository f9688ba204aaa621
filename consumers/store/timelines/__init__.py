"""The timelines of runs: calls and changes of state, for people."""
