"""Orders that came over HTTP, and the runs as the northbound interface reads them."""
