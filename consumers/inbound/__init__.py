"""Receive what external systems report, by callback and by poll, and consume it."""
