"""The TMF653 server of the northbound interface."""
