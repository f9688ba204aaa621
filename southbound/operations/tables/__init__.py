"""What the commands of `southbound tables` do."""
