"""Explain why a decision matched its rules, and how close other rules came."""
