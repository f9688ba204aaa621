"""One process of the service: open its resources, build its roles, run them, stop them."""
