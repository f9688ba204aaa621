"""`southbound why` says in one sentence why a run, a partition or a system makes no progress."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from southbound.exit_codes import ExitCode
from southbound.simulator.behaviours import completes_immediately
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.fixtures.service import ServiceUnderTest

ROOT = Path(__file__).parents[3]
RUN, BEHIND = "WHY-1", "WHY-2"
SCREEN = 40  # lines


async def why(
    service: ServiceUnderTest, *words: str, port: int = 1, more: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Run the command as on another machine: with the settings of Kafka and of the store only."""
    kafka = service.settings.kafka
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "500",
        "SOUTHBOUND_KAFKA__BOOTSTRAP": kafka.servers,
        "SOUTHBOUND_KAFKA__PREFIX": kafka.prefix,
        "SOUTHBOUND_KAFKA__GROUP": kafka.group,
        "SOUTHBOUND_STORE__URL": service.settings.store.url.get_secret_value(),
        **more,
    }
    program = (sys.executable, "-c", "from southbound.cli.app import main; main()")
    command = await asyncio.create_subprocess_exec(
        *program, "why", *words, "--url", f"http://127.0.0.1:{port}", env=environment, stdout=PIPE, stderr=PIPE
    )
    output, errors = await command.communicate()
    assert command.returncode == ExitCode.SUCCESS, errors
    assert output.count(b"\n") <= SCREEN
    return output.decode()


def publish_and_commit_nothing(bootstrap: str, topic: str, group: str) -> None:
    """Make the group one that Kafka knows, with a record that waits for it."""
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(topic, b"x", partition=0)
    assert producer.flush(60) == 0
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    with closing(consumer):
        consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)


async def test_records_that_no_process_serves_are_explained_without_any_process(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with a_service(kafka_bootstrap, tmp_path, started=False) as service:
        await service.request(a_document(RUN))
        answer, *_ = (await why(service, RUN)).splitlines()
        assert answer.startswith(f"{RUN} is not in the run store yet: the RunRequested of {RUN} (")
        assert (
            f"because no process serves its partition: group {service.settings.kafka.group}.routing has no members"
            in answer
        )
        assert answer.endswith("Start `southbound run routing`.")
        everything = await why(service)
        assert "because no process serves its partition" in everything.splitlines()[0]
        assert "Attempts and retries are not known" not in everything
        hub = f"{service.settings.kafka.group}.hub.results"
        publish_and_commit_nothing(kafka_bootstrap, service.topics.results, hub)
        answer, *_ = (await why(service, "--topic", "results")).splitlines()
        assert f"no process serves its partition: group {hub} has no members. Start `southbound run hub`." in answer


async def test_a_run_whose_system_is_down_is_explained_with_its_attempts_by_the_process_that_holds_it(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    script = Script(default=completes_immediately())
    async with a_service(kafka_bootstrap, tmp_path, script=script, started=False) as service:
        system, topic = service.systems["fibre-lab"], service.topics.dispatch("fibre-lab")
        await system.stop()
        running = await service.start()
        await service.request(a_document(RUN), a_document(BEHIND))
        worker = running.workers["dispatch.fibre-lab"]
        await service.wait_until(lambda: worker.shut_reason() is not None, "the circuit breaker is open")
        await service.wait_until(lambda: not worker.figures().running, "both wait")

        answer, *rest = (await why(service, RUN, port=running.health_port)).splitlines()
        assert answer.startswith(f"{RUN} does not move: the SendRun of {RUN} ({topic}[")
        assert ": the circuit breaker is " in answer
        assert "The next call is made in " in answer
        assert any(line.startswith(f"{RUN} goes to fibre-lab, decided by ") for line in rest)

        by_spoke = await why(service, "--spoke", "fibre-lab", port=running.health_port)
        assert "the circuit breaker is " in by_spoke.splitlines()[0]
        assert "southbound-dispatch.fibre-lab at " in by_spoke

        elsewhere = (await why(service, RUN)).splitlines()
        assert "is held by southbound-dispatch.fibre-lab at " in elsewhere[0]
        reason = "Attempts and retries are not known: http://127.0.0.1:1/debug/lanes cannot be reached ("
        assert elsewhere[-1].startswith(reason)

        (status, *_) = [each for each in worker.status() if each.oldest]
        number = status.partition.number
        found = json.loads(
            await why(service, "--topic", topic, "--partition", str(number), "--json", port=running.health_port)
        )
        assert "the circuit breaker is " in found["answer"]
        [partition] = found["topics"][0]["partitions"]
        assert partition["unfinished"] >= 1
        assert partition["oldest"]["key"] in {RUN, BEHIND}
        lifecycle = await why(service, "--topic", "lifecycle", port=running.health_port)
        assert lifecycle.startswith(f"Nothing waits: every record of {service.topics.lifecycle} is finished.")


async def test_what_waits_on_the_topics_of_streams_is_explained_as_for_other_roles(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with a_service(kafka_bootstrap, tmp_path, started=False) as service:
        orders, group = f"{service.settings.kafka.prefix}orders", service.settings.kafka.group
        dead = "127.0.0.1:1"
        write_streams(tmp_path / "sources", desk={"topic": orders}, far={"topic": orders, "bootstrap": [dead]})
        write_streams(tmp_path / "destinations", lake={"results": f"{orders}.results"})
        environment = {
            "SOUTHBOUND_STREAMS__SOURCES": f"{tmp_path}/sources",
            "SOUTHBOUND_STREAMS__DESTINATIONS": f"{tmp_path}/destinations",
        }
        admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
        admin.create_topics([NewTopic(orders, num_partitions=1, replication_factor=1)])[orders].result(60)
        publish_and_commit_nothing(kafka_bootstrap, orders, f"{group}.ingress.desk")
        publish_and_commit_nothing(kafka_bootstrap, service.topics.results, f"{group}.egress.lake")
        for words in (("--topic", orders), ("--topic", "ingress.desk")):
            answer, *rest = (await why(service, *words, more=environment)).splitlines()
            assert answer == (
                f"{orders}[0] waits at offset 0, because no process serves its partition: group {group}.ingress.desk "
                "has no members. Start `southbound run ingress`."
            )
        answer, *rest = (await why(service, more=environment)).splitlines()
        assert f"no process serves its partition: group {group}.egress.lake has no members" in answer
        assert "Start `southbound run egress`." in answer
        assert any(
            line.startswith(f"What source far has to read from {orders} at {dead} is not known") for line in rest
        )


def write_streams(folder: Path, **profiles: dict[str, object]) -> None:
    folder.mkdir()
    for name, fields in profiles.items():
        (folder / f"{name}.yaml").write_text(json.dumps({"name": name, **fields}))
