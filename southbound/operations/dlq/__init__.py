"""The commands `southbound dlq`: find, explain, redrive, drop and export dead letters."""
