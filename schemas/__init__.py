"""The contracts: what every message means. Imports nothing of ours."""
