"""What is missing of a run, and when its external system is asked for it again."""
