"""Find rules that are never reached, overlaps and gaps before a table is published."""
