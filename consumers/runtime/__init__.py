"""Lanes over Kafka: read records, run handlers, commit what is finished."""
