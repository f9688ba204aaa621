"""Take records from Kafka, run handlers in lanes, commit what is finished."""
