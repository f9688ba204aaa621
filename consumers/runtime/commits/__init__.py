"""What is committed: the offset below which everything is finished, and what is finished above it."""
