"""The contract of every tables topic: the Kafka topic and the in-memory topic of unit tests."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from consumers.table_topic.kafka_table_reader import reader_settings
from consumers.table_topic.kafka_table_topic import KafkaTableTopic
from consumers.table_topic.port import PlanOutdatedError, TableTopicError
from consumers.table_topic.publish_plan import PublishPlan, plan_publish
from consumers.table_topic.published_tables import PublishedTables
from producers.kafka_publisher import producer_settings
from schemas.published_tables import LivePointer, TableVersion
from tests.builders.published_tables import a_signature, a_table_text, an_authored_table
from tests.fakes.table_topic import InMemoryTableTopic

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.table_topic.port import TableTopic


@pytest.fixture(params=["fake", "kafka"])
def topic(request: pytest.FixtureRequest) -> TableTopic:
    if request.param == "fake":
        return InMemoryTableTopic()
    bootstrap: str = request.getfixturevalue("kafka_bootstrap")
    fresh: Callable[..., str] = request.getfixturevalue("fresh_topics")
    name = fresh("tables", **{"cleanup.policy": "compact"})
    return KafkaTableTopic(name=name, reading=reader_settings(bootstrap), writing=producer_settings(bootstrap))


async def publish_table(topic: TableTopic, text: str, author: str) -> None:
    await topic.write(plan_publish(await topic.read(), an_authored_table(text), a_signature(author)))


async def test_an_empty_topic_is_read_to_its_end_as_well(topic: TableTopic) -> None:
    assert (await topic.read()).tables == ()


async def test_a_written_version_is_read_back(topic: TableTopic) -> None:
    await publish_table(topic, a_table_text("1"), "ann")
    live = (await topic.read()).live("a-table")
    assert isinstance(live, LivePointer)
    assert (live.author, live.revision, live.previous) == ("ann", 1, None)
    version = (await topic.read()).version("a-table", live.version)
    assert isinstance(version, TableVersion)
    assert version.text == a_table_text("1")


async def test_a_plan_that_deletes_a_key_leaves_no_record_there(topic: TableTopic) -> None:
    await topic.write(PublishPlan(records={"a": b"1", "b": b"2"}, expected_records={}))
    await topic.write(PublishPlan(records={"a": None}, expected_records={}))
    assert (await topic.read()).tables == ("b",)


async def test_of_two_publishers_from_the_same_state_the_second_is_refused_and_writes_nothing(
    topic: TableTopic,
) -> None:
    before = await topic.read()
    await topic.write(plan_publish(before, an_authored_table(a_table_text("1")), a_signature("ann")))
    with pytest.raises(PlanOutdatedError):
        await topic.write(plan_publish(before, an_authored_table(a_table_text("2")), a_signature("ben")))
    (version,) = (await topic.read()).versions("a-table")
    assert version.author == "ann"


async def test_of_many_concurrent_publishers_exactly_one_succeeds_and_the_others_are_refused(topic: TableTopic) -> None:
    before = await topic.read()
    authors = ["ann", "ben", "cyd", "dee"]
    plans = [plan_publish(before, an_authored_table(a_table_text(author)), a_signature(author)) for author in authors]
    ends = await asyncio.gather(*[topic.write(plan) for plan in plans], return_exceptions=True)
    won = [author for author, end in zip(authors, ends, strict=True) if end is None]
    assert all(end is None or isinstance(end, PlanOutdatedError) for end in ends)
    live = (await topic.read()).live("a-table")
    assert isinstance(live, LivePointer)
    assert won == [live.author]


async def test_following_yields_existing_and_later_records(topic: TableTopic) -> None:
    await publish_table(topic, a_table_text("1"), "ann")
    async with asyncio.timeout(60), topic.follow() as news:
        seen = PublishedTables()
        async for some in news:
            seen = seen.with_records(some.entries)
            if some.at_end:
                break
        assert seen == await topic.read()
        await publish_table(topic, a_table_text("2"), "ben")
        async for some in news:
            seen = seen.with_records(some.entries)
            if len(seen.versions("a-table")) == 2 and some.at_end:
                break
        assert seen == await topic.read()


async def test_a_topic_that_does_not_exist_is_reported_in_a_sentence(kafka_bootstrap: str) -> None:
    quick = {"topic.metadata.propagation.max.ms": 500}
    topic = KafkaTableTopic(
        name="no-such-topic",
        reading=reader_settings(kafka_bootstrap),
        writing=producer_settings(kafka_bootstrap, quick),
    )
    with pytest.raises(TableTopicError, match=r"does not have topic no-such-topic: run `southbound topics apply`"):
        await topic.read()
    with pytest.raises(TableTopicError, match="no-such-topic"):
        await topic.write(PublishPlan(records={"a": b"1"}, expected_records={}))


async def test_a_message_that_the_topic_refuses_aborts_its_whole_plan(
    kafka_bootstrap: str, fresh_topics: Callable[..., str]
) -> None:
    name = fresh_topics("tables", **{"cleanup.policy": "compact", "max.message.bytes": "2000"})
    topic = KafkaTableTopic(
        name=name, reading=reader_settings(kafka_bootstrap), writing=producer_settings(kafka_bootstrap)
    )
    with pytest.raises(TableTopicError):
        await topic.write(PublishPlan(records={"a": b"1", "b": secrets.token_bytes(9_000)}, expected_records={}))
    assert (await topic.read()).tables == ()
    await topic.write(PublishPlan(records={"a": b"1"}, expected_records={}))
    assert (await topic.read()).tables == ("a",)


async def test_a_publisher_that_crashes_while_it_writes_leaves_no_records_and_blocks_no_other(
    kafka_bootstrap: str, fresh_topics: Callable[..., str]
) -> None:
    name = fresh_topics("tables", **{"cleanup.policy": "compact"})
    topic = KafkaTableTopic(
        name=name, reading=reader_settings(kafka_bootstrap), writing=producer_settings(kafka_bootstrap)
    )
    await publish_table(topic, a_table_text("1"), "ann")
    dead = Producer({**producer_settings(kafka_bootstrap), "transactional.id": name, "log_level": 0})
    dead.init_transactions(60)
    dead.begin_transaction()
    dead.produce(name, b"{}", b"a-table")
    assert dead.flush(60) == 0
    async with asyncio.timeout(90):
        live = (await topic.read()).live("a-table")
        assert isinstance(live, LivePointer)
        assert live.author == "ann"
        await publish_table(topic, a_table_text("2"), "ben")
    live = (await topic.read()).live("a-table")
    assert isinstance(live, LivePointer)
    assert (live.author, live.revision) == ("ben", 2)


async def test_a_reader_that_fails_raises_instead_of_keeping_old_tables_silently(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("consumers.table_topic.kafka_table_reader.KafkaTableReader._wait_for_topic", broken)
    topic = KafkaTableTopic(name="any", reading=reader_settings(kafka_bootstrap), writing={})
    with pytest.raises(
        TableTopicError, match="reader of topic any broke with RuntimeError: tell a developer"
    ) as raised:
        await asyncio.wait_for(topic.read(), 60)
    assert "out of memory" not in str(raised.value)  # the text of an exception may contain a secret


async def test_a_plan_that_kafka_refuses_in_the_middle_blocks_no_reader(
    kafka_bootstrap: str, fresh_topics: Callable[..., str]
) -> None:
    settings = {**producer_settings(kafka_bootstrap), "message.max.bytes": 2_000}
    name = fresh_topics("tables", **{"cleanup.policy": "compact"})
    topic = KafkaTableTopic(name=name, reading=reader_settings(kafka_bootstrap), writing=settings)
    too_large = {"a": b"1", "b": b"x" * 5_000}
    with pytest.raises(TableTopicError):
        await topic.write(PublishPlan(records=too_large, expected_records={}))
    assert (await asyncio.wait_for(topic.read(), 60)).tables == ()
    await publish_table(topic, a_table_text("1"), "ann")
    assert (await asyncio.wait_for(topic.read(), 60)).tables == ("a-table",)
