"""Edit the records of dead letters for a redrive."""
