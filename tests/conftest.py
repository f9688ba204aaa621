"""Give every test what it cannot make itself: a broker, a database, topics of its own."""

pytest_plugins = ["tests.fixtures.kafka", "tests.fixtures.topics", "tests.fixtures.postgres"]
