"""Publishing: everything that puts events on Kafka."""
