"""Twelve scenarios on a real Kafka that show what the gateway does, and check that each ends as expected."""
