"""Fixtures for every test: a broker, a database, topics of its own."""

from hypothesis import settings

pytest_plugins = ["tests.fixtures.kafka", "tests.fixtures.topics", "tests.fixtures.postgres"]

# No deadline: how long an example takes depends on what else the machine does.
settings.register_profile("southbound", deadline=None)
settings.load_profile("southbound")
