"""What the run store keeps for the systems that order runs."""
