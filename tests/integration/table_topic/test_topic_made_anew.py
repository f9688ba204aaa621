"""Tables that are published on a topic that was deleted and made anew, after a restart of its broker, are read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from consumers.table_topic.kafka_table_reader import KafkaTableReader, reader_settings
from southbound.broker.jvm import jvm_broker
from tests.harness.topic_made_anew import delete_topic, make_topic, port_of_jvm_broker

if TYPE_CHECKING:
    from pathlib import Path

TOPIC = "testrun.tables"


@pytest.fixture
def port() -> int:
    """A port for a broker of this test, which is restarted."""
    return port_of_jvm_broker()


def produce(bootstrap: str, *keys: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for key in keys:
        producer.produce(TOPIC, b"{}", key.encode())
    assert producer.flush(60) == 0


async def read_until(reader: KafkaTableReader, key: str) -> tuple[list[str], list[str]]:
    """Return the keys and the problems that the reader reports until it reports this key."""
    keys: list[str] = []
    problems: list[str] = []
    async with asyncio.timeout(90):
        async for news in reader:
            keys += [(name or b"").decode() for name, _ in news.entries]
            problems += [news.problem] if news.problem else []
            if key in keys:
                return keys, problems
    raise AssertionError(problems)


@pytest.mark.parametrize("longer", [False, True], ids=["shorter than before", "longer than before"])
async def test_fault_a_table_topic_that_was_made_anew_was_never_read_again(
    tmp_path: Path,
    port: int,
    longer: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    published = ["policy", *(["more"] * 9 if longer else []), "selector"]
    with jvm_broker(print, folder=tmp_path, port=port) as broker:
        await asyncio.to_thread(make_topic, broker.bootstrap, TOPIC, 1)
        await asyncio.to_thread(produce, broker.bootstrap, "a", "b", "c", "d", "before")
        reader = KafkaTableReader(reader_settings(broker.bootstrap), TOPIC)
        await reader.__aenter__()
        await read_until(reader, "before")
    with jvm_broker(print, folder=tmp_path, port=port) as broker:
        await asyncio.to_thread(produce, broker.bootstrap, "restarted")  # librdkafka knows a higher leader epoch now
        await read_until(reader, "restarted")
        await asyncio.to_thread(delete_topic, broker.bootstrap, TOPIC)
        await asyncio.to_thread(make_topic, broker.bootstrap, TOPIC, 1)
        await asyncio.to_thread(produce, broker.bootstrap, *published)
        keys, problems = await read_until(reader, "selector")
        await reader.__aexit__()
    assert list(dict.fromkeys(keys)) == list(dict.fromkeys(published))
    assert any("was not read although it has records" in problem for problem in problems)
