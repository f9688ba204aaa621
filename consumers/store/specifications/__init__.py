"""Test specifications as the interface reads them, copied from their topic."""
