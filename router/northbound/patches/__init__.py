"""Patches of resources: JSON Merge Patch, JSON Patch, and JSON Patch with queries."""
