"""Run the commands about spokes."""
