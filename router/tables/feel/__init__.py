"""FEEL unary tests (DMN 1.5 §9): parse the text of an input entry, and test values against it."""
