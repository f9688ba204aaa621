"""What is done at its system with a run that was sent: changed, cancelled, or replaced."""
