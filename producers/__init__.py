"""The mouths: everything that puts events on Kafka."""
