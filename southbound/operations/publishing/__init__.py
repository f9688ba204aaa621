"""What commands share that publish on Kafka: who starts them, transactions, and a rate."""
