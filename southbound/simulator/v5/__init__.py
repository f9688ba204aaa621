"""What a simulated system of TMF653 v5.0 has besides: tasks that cancel, JSON patches, and typed measures."""
