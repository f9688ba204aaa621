"""Test measures: match the measures of a response to those that were requested, and check them."""
