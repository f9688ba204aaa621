"""The clients of streams, and what is checked of their topics."""
