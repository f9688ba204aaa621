"""The decisions: given facts, what should happen. Pure."""
