"""Rename, move and translate fields between TMF653 and what one system has instead, as its profile says."""
