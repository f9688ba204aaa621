"""Ten stories that show the whole job on a real Kafka, and check that each ended as it must."""
