"""The commands about decision tables and selectors."""
