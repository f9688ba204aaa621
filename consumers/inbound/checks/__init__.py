"""What is done about a run when its time has come, besides asking its system for what is missing."""
