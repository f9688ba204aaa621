"""What concerns the runs of one request together, before all of them have ended."""
