"""Decide recorded events again with a draft of a table, and compare the results."""
