"""Adapters of the runtime to Kafka."""
