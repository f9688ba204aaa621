"""Streams: topics of other clusters, from which runs are ordered and to which results are copied."""
