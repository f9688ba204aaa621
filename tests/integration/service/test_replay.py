"""`southbound replay` on a real Kafka: records are processed again beside live traffic, and nothing is sent twice."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer
from pydantic import SecretStr

from consumers.runtime.kafka.group_state import read_committed_offsets
from consumers.runtime.kafka.partition_reader import PartitionReader
from producers.kafka_publisher import producer_settings
from schemas.topics import TopicNames, all_topics
from southbound.exit_codes import CommandFailedError, ExitCode
from southbound.operations.replay import replay_records as command
from southbound.operations.replay import replay_writer
from southbound.operations.replay.replay_records import ReplayOptions, replay_records
from southbound.operations.replay.selection import SelectionOptions
from southbound.operations.topic_admin import TopicAdmin
from southbound.service.kafka_settings import standalone_consumer_settings
from southbound.settings.settings import KafkaSettings, Settings, StoreSettings
from tests.builders.runs import a_document
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

    from confluent_kafka import Message

    from tests.fixtures.service import ServiceUnderTest


def read_all(settings: Settings, topic: str) -> list[Message]:
    with PartitionReader(standalone_consumer_settings(settings.kafka)) as reader:
        return list(reader.records(reader.present_ranges(topic)))


def header(record: Message, name: str) -> str:
    headers: list[tuple[str, bytes]] = record.headers() or []  # type: ignore[assignment] # consumed: a list of bytes
    return next((value.decode() for one, value in reversed(headers) if one == name), "")


def posted(service: ServiceUnderTest) -> Counter[str]:
    names = [name for system in service.systems.values() for name in system.request_log.posted_names()]
    return Counter(name.rpartition(" ")[2] for name in names)


async def processed(service: ServiceUnderTest, topic: str, role: str) -> None:
    """Wait until a role has committed every record of a topic."""
    client = standalone_consumer_settings(service.settings.kafka)

    def is_committed() -> bool:
        with PartitionReader(client) as reader:
            ranges = reader.present_ranges(topic)
        committed = read_committed_offsets(client, service.settings.kafka.group_of(role), topic)
        return all(committed.get(one.partition, 0) >= one.end for one in ranges)

    await service.wait_until(is_committed, f"{topic} processed to its end")


async def replay(settings: Settings, options: ReplayOptions) -> None:
    assert await asyncio.to_thread(replay_records, settings, options) == ExitCode.SUCCESS


async def test_what_is_replayed_is_not_sent_twice_also_by_a_store_that_was_lost(
    kafka_bootstrap: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    every = SelectionOptions(topics=("lifecycle", "dispatch", "inbound"), every=True)
    async with a_service(kafka_bootstrap, tmp_path) as service:
        await service.request(a_document("TR1"), a_document("TR2"))
        first = {run: await service.result_of(run) for run in ("TR1", "TR2")}
        # Beside live traffic.
        await service.request(a_document("TR3"))
        await replay(service.settings, ReplayOptions(chosen=every, author="anna"))
        await service.result_of("TR3")
        await processed(service, service.topics.lifecycle, "routing")
        await processed(service, service.topics.dispatch("fibre-lab"), "dispatch.fibre-lab")
        assert (posted(service), service.dead_letters()) == ({"TR1": 1, "TR2": 1, "TR3": 1}, [])
        copies = [
            one for one in read_all(service.settings, service.topics.lifecycle) if header(one, "southbound-replay")
        ]
        assert {header(one, "southbound-replay-by") for one in copies} == {"anna"}
        assert {header(one, "ce_id") for one in copies} <= {
            header(one, "ce_id")
            for one in read_all(service.settings, service.topics.lifecycle)
            if not header(one, "southbound-replay")
        }
        # The store is lost, and nobody rebuilds it.
        assert await service.stop()
        store = StoreSettings(url=SecretStr(f"sqlite:///{tmp_path}/lost.db"))
        service.settings = service.settings.model_copy(update={"store": store})
        await service.start(accept_empty_store=True)
        capsys.readouterr()
        one_run = SelectionOptions(topics=("lifecycle",), runs=("TR1",))
        await replay(service.settings, ReplayOptions(chosen=one_run, dry_run=True, as_json=True))
        shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(one["run"], one["effect"], one["spoke"]) for one in shown] == [("TR1", "send", "fibre-lab")]
        known = len(service.results())
        await replay(service.settings, ReplayOptions(chosen=one_run))
        await service.wait_until(lambda: service.results()[known:], "the result of TR1 again")
        assert service.results()[-1].external_id == first["TR1"].external_id
        assert posted(service) == {"TR1": 1, "TR2": 1, "TR3": 1}


async def test_results_are_published_again_under_their_ids(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_service(kafka_bootstrap, tmp_path) as service:
        await service.request(a_document("TR1"), a_document("TR2"))
        await service.result_of("TR1")
        await service.result_of("TR2")
        assert await service.stop()
        results = service.topics.results
        before = read_all(service.settings, results)
        chosen = SelectionOptions(topics=("results",), runs=("TR1",))
        await replay(service.settings, ReplayOptions(chosen=chosen, re_emit=True))
        await replay(service.settings, ReplayOptions(chosen=chosen, re_emit=True, from_store=True))
        originals = {header(one, "ce_id"): one.value() for one in before if one.key() == b"TR1"}
        again = [one for one in read_all(service.settings, results) if header(one, "southbound-replay")]
        assert Counter(header(one, "ce_id") for one in again) == Counter([*originals, *originals])
        assert {header(one, "ce_id"): one.value() for one in again} == originals
        await service.start()  # a gateway does not mind them


def interrupted_after(monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
    """Interrupt a replay after some batches, as Ctrl-C does."""
    calls = iter(range(batches))

    def wait(*_: object) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(replay_writer, "wait_for_rate", wait)


def test_an_interrupted_replay_goes_on_with_exactly_the_rest(
    kafka_bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = f"r{uuid.uuid4().hex[:8]}."
    names = TopicNames(prefix)
    admin = TopicAdmin(producer_settings(kafka_bootstrap))
    admin.apply(admin.plan(all_topics(prefix)), replication=1)
    settings = Settings(
        kafka=KafkaSettings(bootstrap=kafka_bootstrap, prefix=prefix),
        store=StoreSettings(url=SecretStr(f"sqlite:///{tmp_path}/none.db")),
    )
    producer = Producer(producer_settings(kafka_bootstrap))
    for number in range(1_000):
        producer.produce(
            names.lifecycle, f"{number}".encode(), key=f"K{number % 40}".encode(), headers=[("h", b"\xff")]
        )
    assert producer.flush(30) == 0
    originals = read_all(settings, names.lifecycle)
    options = ReplayOptions(chosen=SelectionOptions(topics=("lifecycle",), every=True))
    with monkeypatch.context() as patched:
        interrupted_after(patched, 3)
        with pytest.raises(KeyboardInterrupt):
            replay_records(settings, options)
    assert "400 records published" in capsys.readouterr().err
    assert replay_records(settings, ReplayOptions(resume=command.NEWEST, as_json=True)) == ExitCode.SUCCESS
    done = json.loads(capsys.readouterr().out)
    assert done["published"] == {names.lifecycle: 1_000}
    everything = read_all(settings, names.lifecycle)
    copies = [one for one in everything if header(one, "southbound-replay")]

    def content(records: list[Message]) -> dict[int | None, list[tuple[bytes | None, bytes | None]]]:
        return {n: [(one.key(), one.value()) for one in records if one.partition() == n] for n in range(12)}

    assert content(copies) == content(originals)
    assert {header(one, "southbound-replay") for one in copies} == {done["replay"]}
    with pytest.raises(CommandFailedError, match="it is complete"):
        replay_records(settings, ReplayOptions(resume=done["replay"]))
    # What a replay published is not chosen again.
    assert replay_records(settings, options) == ExitCode.SUCCESS
    assert "1,000 records published" in capsys.readouterr().out
    assert len(read_all(settings, names.lifecycle)) == 3_000
