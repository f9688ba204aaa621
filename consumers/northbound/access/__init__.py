"""Who calls the northbound interface, what the client may do, and how much of it."""
