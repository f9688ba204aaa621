"""What only version 5.0 of TMF653 has."""
