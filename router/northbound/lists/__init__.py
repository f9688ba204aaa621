"""Read the query of a list: which resources it has, in which order, and which part of them."""
