"""The checks of callbacks that need more than a secret in a header."""
