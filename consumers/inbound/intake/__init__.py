"""Take one request of an external system apart, within the limits of its profile."""
