"""FEEL unary tests: parse the text of an input entry and test values against it."""
