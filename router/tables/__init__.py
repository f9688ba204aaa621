"""The DMN decision-table engine. It knows nothing of test runs."""
