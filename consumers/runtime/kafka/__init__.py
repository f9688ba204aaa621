"""The Kafka consumer behind the runtime: poll, membership of the group, readiness."""
