"""A real Apache Kafka for one machine: a configured one, one in Docker, or one in a local JVM."""
