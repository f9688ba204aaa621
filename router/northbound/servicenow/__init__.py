"""The two shapes in which ServiceNow orders test runs, read and written; pure."""
