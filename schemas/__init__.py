"""The words: what every message means. Imports nothing of ours."""
