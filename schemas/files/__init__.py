"""Files that people write: YAML and JSON with the line and column of every value."""
