"""After Kafka has compacted the tables topic, history, rollback and live versions are unchanged."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from consumers.table_topic.kafka_table_reader import reader_settings
from consumers.table_topic.kafka_table_topic import KafkaTableTopic
from consumers.table_topic.publish_plan import plan_publish, plan_rollback, rollback_version
from producers.kafka_publisher import producer_settings
from schemas.published_tables import LivePointer, TableVersion
from tests.builders.published_tables import a_signature, a_table_text, an_authored_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.table_topic.published_tables import PublishedTables

IMMEDIATE_COMPACTION = {
    "cleanup.policy": "compact",
    "segment.ms": "50",
    "min.cleanable.dirty.ratio": "0.001",
    "delete.retention.ms": "0",
}
COMPACTION_TIMEOUT = 90.0  # seconds; the log cleaner runs every 15


async def live_pointer_count(topic: KafkaTableTopic) -> int:
    """Count the records on the topic that name a live version."""
    count = 0
    async with topic.follow() as news:
        async for some in news:
            count += sum(key == b"a-table" for key, _ in some.entries)
            if some.at_end:
                return count
    return count


async def publish_version(topic: KafkaTableTopic, note: str) -> PublishedTables:
    await topic.write(plan_publish(await topic.read(), an_authored_table(a_table_text(note)), a_signature(note)))
    return await topic.read()


async def test_after_compaction_the_history_is_complete_and_a_rollback_is_possible(
    kafka_bootstrap: str, fresh_topics: Callable[..., str]
) -> None:
    name = fresh_topics("tables", **IMMEDIATE_COMPACTION)
    topic = KafkaTableTopic(
        name=name, reading=reader_settings(kafka_bootstrap), writing=producer_settings(kafka_bootstrap)
    )
    before = [await publish_version(topic, note) for note in ("one", "two", "three", "four")][-1]
    deadline = time.monotonic() + COMPACTION_TIMEOUT
    while await live_pointer_count(topic) == 4:
        assert time.monotonic() < deadline, "Kafka did not compact in time"
        await asyncio.sleep(1)
    assert await topic.read() == before
    live = before.live("a-table")
    assert isinstance(live, LivePointer)
    assert [move.author for move in live.changes] == ["four", "three", "two", "one"]
    previous = (await topic.read()).version("a-table", rollback_version(live.changes) or "")
    assert isinstance(previous, TableVersion)
    await topic.write(plan_rollback(before, previous, a_signature("back")))
    after = (await topic.read()).live("a-table")
    assert isinstance(after, LivePointer)
    assert (after.version, after.previous) == (
        an_authored_table(a_table_text("three")).version,
        an_authored_table(a_table_text("four")).version,
    )
