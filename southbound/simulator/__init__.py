"""External test systems that behave as a script says, for the demo, for tests and for benchmarks."""
