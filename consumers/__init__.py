"""The ears: everything that reads Kafka and acts."""
