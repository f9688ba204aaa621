"""The northbound interface: what clients order, read and are notified of over HTTP."""
