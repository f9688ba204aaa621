"""The list of topics, and the topic and key of each event."""

from __future__ import annotations

from typing import get_args

import pytest

from schemas.catalogue import CATALOGUE, EventData, EventType, event_type_of, find_event_type
from schemas.commands import CancelRun, ChangeRun, SendRun
from schemas.inbound import InboundReceived
from schemas.partition_keys import key_of, topic_of
from schemas.topics import TopicNames, all_topics
from tests.builders.example_events import NEWEST, example

NAMES = TopicNames("acme.")


def test_the_whole_list_for_two_spokes_under_a_prefix() -> None:
    assert [topic.name for topic in all_topics("acme.", ["fibre-lab", "radio-lab"])] == [
        "acme.testrun.lifecycle",
        "acme.testrun.dispatch.fibre-lab",
        "acme.testrun.dispatch.radio-lab",
        "acme.testrun.inbound",
        "acme.testrun.inflight",
        "acme.testrun.results",
        "acme.testrun.dlq",
        "acme.testrun.dlq.status",
        "acme.testrun.replay",
        "acme.testrun.tables",
        "acme.testrun.specifications",
        "acme.testrun.store",
        "acme.testrun.ingress",
    ]


def test_only_these_topics_are_compacted_and_they_never_expire() -> None:
    compacted = [topic for topic in all_topics() if topic.cleanup == "compact"]
    assert [(topic.name, topic.retention_ms) for topic in compacted] == [
        ("testrun.dlq.status", None),
        ("testrun.replay", None),
        ("testrun.tables", None),
        ("testrun.specifications", None),
        ("testrun.store", None),
    ]


def test_dead_letters_are_kept_longest() -> None:
    kept = {topic.name: topic.retention_ms or 0 for topic in all_topics("", ["x"])}
    assert max(kept, key=lambda name: kept[name]) == "testrun.dlq"


def test_the_dead_letter_topic_allows_larger_messages_than_every_other() -> None:
    limits = {topic.name: topic.max_message_bytes for topic in all_topics("", ["x"])}
    letters = limits.pop("testrun.dlq")
    # Our own headers take a few kilobytes; the rest allows for originals that were compressed better.
    assert letters >= 4 * max(limits.values())


def test_every_event_travels_on_exactly_one_kind_of_topic() -> None:
    carried = [name for topic in all_topics("", ["fibre-lab"]) for name in topic.carries]
    assert sorted(carried) == sorted(entry.name for entry in CATALOGUE)


@pytest.mark.parametrize(("name", "version"), NEWEST)
def test_an_event_is_sent_where_the_list_says(name: str, version: int) -> None:
    topic = topic_of(NAMES, example(name, version).data)
    carries = {listed.name: listed.carries for listed in all_topics("acme.", ["fibre-lab"])}
    assert name in carries[topic]


def test_the_spoke_is_read_from_the_name_of_a_dispatch_topic() -> None:
    assert NAMES.spoke_of(NAMES.dispatch("fibre-lab")) == "fibre-lab"
    assert NAMES.spoke_of(NAMES.results) is None


@pytest.mark.parametrize(("name", "version"), NEWEST)
def test_the_key_is_the_root_run_or_what_the_external_system_calls_it(name: str, version: int) -> None:
    data = example(name, version).data
    assert key_of(data) == ("fibre-lab:ST-55120" if isinstance(data, InboundReceived) else "TRUN0004711")


def test_the_catalogue_contains_every_message() -> None:
    assert {entry.model for entry in CATALOGUE} == set(get_args(EventData))


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_an_entry_is_found_by_model_type_and_short_name(entry: EventType) -> None:
    assert event_type_of(entry.model) is find_event_type(entry.ce_type) is find_event_type(entry.name) is entry


def test_commands_are_what_dispatch_takes() -> None:
    assert {entry.model for entry in CATALOGUE if entry.travels_on == "dispatch"} == {
        SendRun,
        ChangeRun,
        CancelRun,
    }
