"""The run store: one row per run, one owner per change."""
