"""Processing: everything that reads Kafka and acts."""
