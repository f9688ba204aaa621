"""How every command is run: its errors as sentences, its exit code, and output that nobody reads."""
