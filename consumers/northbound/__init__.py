"""The northbound interface: what systems that order test runs call, and what they are notified of."""
