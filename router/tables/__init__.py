"""The decision-table engine, after DMN 1.5. It does not depend on test runs."""
