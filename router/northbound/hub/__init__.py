"""Decide what subscribers are notified of, and what their responses mean."""
