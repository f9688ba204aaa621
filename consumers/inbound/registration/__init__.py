"""Register the address of the listener at the hubs of external systems."""
