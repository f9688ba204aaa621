"""Fixtures of all tests: a Kafka broker, a database, and topics that belong to one test."""

import gc
import signal

from hypothesis import settings

pytest_plugins = ["tests.fixtures.kafka", "tests.fixtures.topics", "tests.fixtures.postgres"]

# No deadline: how long an example takes depends on the load of the machine.
settings.register_profile("southbound", deadline=None)
settings.load_profile("southbound")

# A shell's background job, which a CI job may be, ignores SIGINT, and every process started here would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Do not search the modules and tests for garbage again and again: they stay until the end."""
    gc.collect()
    gc.freeze()
