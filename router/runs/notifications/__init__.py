"""What is published about a run: built from its row, and kept in it until the next."""
