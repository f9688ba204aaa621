"""The databases that a run store can live in: SQLite and PostgreSQL."""
