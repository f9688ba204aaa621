"""Explain a decision: which cells matched, and which rows nearly matched."""
