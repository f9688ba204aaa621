"""Simulated external test systems with scripted behaviour, for the demo, for tests and for benchmarks."""
