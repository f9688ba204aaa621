"""Commands about spokes."""
