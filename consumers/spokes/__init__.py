"""External systems and how to talk to them."""
