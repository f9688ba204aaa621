"""The state machine of a test run and of its request. It knows nothing of decision tables."""
