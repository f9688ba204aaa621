"""A real Apache Kafka for one machine: the one configured, one in Docker, or one in a local JVM."""
