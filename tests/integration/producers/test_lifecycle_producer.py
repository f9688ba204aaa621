"""Events of the lifecycle producer arrive on a real Kafka unchanged."""

from __future__ import annotations

import re
import uuid
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from producers.lifecycle_producer import LifecycleProducer
from producers.publisher import PublishError
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.topics import all_topics
from southbound.operations.topic_admin import TopicAdmin
from tests.builders.runs import a_document, a_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def prefix(kafka_bootstrap: str) -> str:
    """A prefix under which the lifecycle topic exists."""
    prefix = f"p{uuid.uuid4().hex[:8]}."
    admin = TopicAdmin({"bootstrap.servers": kafka_bootstrap})
    admin.apply(admin.plan([topic for topic in all_topics(prefix) if topic.name.endswith("lifecycle")]))
    return prefix


def read_events(bootstrap: str, topic: str, count: int) -> list[tuple[bytes, Event]]:
    """Read this many events from the beginning, in the order of their partition."""
    settings = {"bootstrap.servers": bootstrap, "group.id": uuid.uuid4().hex}
    with closing(Consumer(settings)) as consumer:
        partitions = consumer.list_topics(topic, timeout=60).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        return list(_events(consumer.consume(count, 60)))


def _events(messages: list[Any]) -> Iterator[tuple[bytes, Event]]:
    envelope = Envelope(Codec())
    for message in messages:
        yield message.key(), envelope.decode(message.value(), message.headers(), fallback_id="none")


async def test_each_call_returns_the_id_of_an_event_on_kafka(kafka_bootstrap: str, prefix: str) -> None:
    tree = a_tree("TR0001")
    async with LifecycleProducer(kafka_bootstrap, source="/mine", prefix=prefix) as runs:
        ids = [
            await runs.request(tree),
            await runs.change(tree.model_copy(update={"version": 2}), "moved"),
            await runs.cancel("TR0001-1", "TR0001", "not needed"),
        ]
    events = read_events(kafka_bootstrap, f"{prefix}testrun.lifecycle", 3)
    assert [event.id for _, event in events] == ids
    assert {key for key, _ in events} == {b"TR0001"}
    assert [event.data for _, event in events] == [
        RunRequested(run=tree),
        RunChanged(run=tree.model_copy(update={"version": 2}), reason="moved"),
        RunCancelled(run_id="TR0001-1", root_run_id="TR0001", reason="not needed"),
    ]
    assert {(event.headers.source, event.headers.time is not None) for _, event in events} == {("/mine", True)}


async def test_a_repeated_call_can_carry_the_same_id(kafka_bootstrap: str, prefix: str) -> None:
    async with LifecycleProducer(kafka_bootstrap, source="/mine", prefix=prefix) as runs:
        assert [await runs.request(a_document(), event_id="E1") for _ in range(2)] == ["E1", "E1"]
    assert [event.id for _, event in read_events(kafka_bootstrap, f"{prefix}testrun.lifecycle", 2)] == ["E1", "E1"]


async def test_a_missing_topic_is_an_error_for_the_caller(kafka_bootstrap: str) -> None:
    quick = {"topic.metadata.propagation.max.ms": 200}
    async with LifecycleProducer(kafka_bootstrap, source="/mine", prefix="nowhere.", client=quick) as runs:
        with pytest.raises(PublishError, match="southbound topics apply"):
            await runs.request(a_document())


async def test_the_example_of_the_documentation_runs(kafka_bootstrap: str, prefix: str) -> None:
    page = (DOCS / "producing.md").read_text(encoding="utf-8")
    [example] = re.findall(r"<!-- example -->\n```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, "producing.md", "exec"), names)  # noqa: S102 - our own page
    await names["main"](kafka_bootstrap, prefix)
    events = read_events(kafka_bootstrap, f"{prefix}testrun.lifecycle", 3)
    assert [type(event.data) for _, event in events] == [RunRequested, RunChanged, RunCancelled]
