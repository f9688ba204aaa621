"""Read and write what stands in texts: JSON without loss, and counts in sentences."""
