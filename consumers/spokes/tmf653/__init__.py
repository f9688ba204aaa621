"""TMF653 Service Test Management v4.0, v4.1 and v4.2, in three translations."""
