"""Prove our identity to external systems: secrets, tokens and certificates, each renewed without a restart."""
