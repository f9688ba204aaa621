"""What the commands about test specifications do."""
