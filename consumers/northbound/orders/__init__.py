"""Orders: stored first, then published as lifecycle events."""
