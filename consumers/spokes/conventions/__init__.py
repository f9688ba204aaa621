"""What one system does in another way than TMF653 and TMF630 say: parts of a profile."""
