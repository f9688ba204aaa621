"""The client configuration contains the settings on which the runtime's guarantees depend."""

from __future__ import annotations

from consumers.runtime.config import WorkerConfig, consumer_settings

POLICY = WorkerConfig(role="routing", group="g", dead_letter_topic="dlq", session_timeout=12.0)


def test_automatic_commits_cannot_be_enabled() -> None:
    settings = consumer_settings("k:1", POLICY, {"enable.auto.commit": True, "enable.auto.offset.store": True})
    assert settings["enable.auto.commit"] is False
    assert settings["enable.auto.offset.store"] is False


def test_rebalances_are_cooperative_and_the_session_timeout_is_the_workers() -> None:
    settings = consumer_settings("k:1", POLICY)
    assert settings["partition.assignment.strategy"] == "cooperative-sticky"
    assert settings["session.timeout.ms"] == 12_000
    assert settings["heartbeat.interval.ms"] == 2_000


def test_the_new_protocol_gets_no_setting_that_belongs_to_the_broker() -> None:
    settings = consumer_settings("k:1", POLICY, {"group.protocol": "consumer"})
    assert not {"partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"} & settings.keys()
