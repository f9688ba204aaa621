"""Store subscriptions, what was announced of each run, and the deliveries that are to be made."""
