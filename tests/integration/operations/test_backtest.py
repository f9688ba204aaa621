"""A backtest reads the real topic and reports which runs a draft would send elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from router.selection.load import load_any
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.lifecycle import RunCancelled, RunRequested
from schemas.topics import TopicNames
from southbound.broker.server import reserve_port
from southbound.exit_codes import ExitCode
from southbound.operations.backtest.run_backtest import run_backtest
from southbound.settings.settings import DEFAULTS, KafkaSettings, Settings
from tests.builders.runs import a_document
from tests.harness.command_line import southbound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer.testing import Result

    from schemas.catalogue import EventData

SHIPPED = (DEFAULTS / "tables/spoke-selector.yaml").read_text()
DRAFT = SHIPPED.replace("fibre-line, ", "").replace(
    "rows:\n",
    "rows:\n  - {id: S15, order: 15, when: {spec: fibre-line, mode: ONDEMAND}, then: {spoke: copper-lab}}\n",
    1,
)
LONG_AGO = 30 * 24 * 3600  # seconds


@pytest.fixture
def settings(kafka_bootstrap: str) -> Iterator[Settings]:
    """Settings with a prefix under which only the lifecycle topic exists."""
    settings = Settings(kafka=KafkaSettings(bootstrap=kafka_bootstrap, prefix=f"b{uuid.uuid4().hex[:8]}."))
    admin, topic = AdminClient({"bootstrap.servers": kafka_bootstrap}), topic_of(settings)
    admin.create_topics([NewTopic(topic, num_partitions=3, replication_factor=1)])[topic].result(60)
    yield settings
    admin.delete_topics([topic])[topic].result(60)


def topic_of(settings: Settings) -> str:
    return TopicNames(settings.kafka.prefix).lifecycle


def produce(settings: Settings, *messages: EventData | bytes, ago: int = 0) -> None:
    """Produce events or other bytes to the partitions in turn; they are `ago` seconds old."""
    producer = Producer({"bootstrap.servers": settings.kafka.servers})
    envelope = Envelope(Codec())
    for number, message in enumerate(messages):
        value, headers = (message, ()) if isinstance(message, bytes) else envelope.encode(an_event(message))
        at = int((time.time() - ago) * 1000)
        producer.produce(topic_of(settings), value, partition=number % 3, headers=list(headers), timestamp=at)
    assert producer.flush(60) == 0


def an_event(message: EventData) -> Event:
    return Event(headers=EventHeaders(id="E"), data=message)


def a_request(run_id: str, spec: str = "fibre-line", **more: Any) -> RunRequested:  # noqa: ANN401 - any field
    return RunRequested(run=a_document(run_id, spec=spec, **more))


def run_backtest_command(settings: Settings, folder: Path, *options: str) -> Result:
    (folder / "draft.yaml").write_text(DRAFT)
    kafka = {"SOUTHBOUND_KAFKA__BOOTSTRAP": settings.kafka.servers, "SOUTHBOUND_KAFKA__PREFIX": settings.kafka.prefix}
    return southbound("tables", "backtest", str(folder / "draft.yaml"), *options, **kafka)


def test_the_runs_that_would_go_elsewhere_are_listed(settings: Settings, tmp_path: Path) -> None:
    produce(settings, a_request("OLD"), ago=LONG_AGO)
    runs = [a_request("A"), a_request("B", mode="PROACTIVE"), a_request("C", "copper-line"), a_request("D")]
    aside: list[EventData] = [a_request("A-1", parent="A"), RunCancelled(run_id="A", root_run_id="A")]
    produce(settings, *runs, *aside, b"rubbish")
    result = run_backtest_command(settings, tmp_path, "--since", "7d", "--json")
    assert result.exit_code == ExitCode.SUCCESS, result.stderr
    found = json.loads(result.stdout)
    assert (found["events"], found["decided"], found["rerouted"], found["undecided"]) == (7, 4, 3, 1)
    assert found["skipped"] == {"children": 1, "changes_and_cancellations": 1, "other_events": 0, "undecodable": 1}
    now = {"row": "S10", "result": "spoke fibre-lab"}
    moved, lost = found["changes"]
    assert (moved["current"], moved["draft"]) == (now, {"row": "S15", "result": "spoke copper-lab"})
    assert (moved["requests"], sorted(moved["runs"])) == (2, ["A", "D"])
    assert (lost["current"], lost["draft"]["result"], lost["runs"]) == (now, "NO_ROW_MATCHES", ["B"])
    rows = {row["row"]: (row["current"], row["draft"]) for row in found["rows"]}
    assert (rows["S10"], rows["S15"], rows["S20"]) == ((3, 0), (None, 2), (1, 1))


def test_changes_are_printed_as_text(settings: Settings, tmp_path: Path) -> None:
    produce(settings, a_request("A"), a_request("B", mode="PROACTIVE"), a_request("C", "copper-line"))
    result = run_backtest_command(settings, tmp_path, "--limit", "1")
    assert "2 of 3 requests would be routed differently; for 1 the draft decides nothing" in result.stdout
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["S10:", "spoke", "fibre-lab", "S15:", "spoke", "copper-lab", "1", "A"] in lines
    assert ["S10:", "spoke", "fibre-lab", "none:", "NO_ROW_MATCHES", "1", "…"] in lines
    assert ["S20", "1", "1"] in lines


def test_a_table_that_would_drop_runs_of_the_past_is_not_published(settings: Settings, tmp_path: Path) -> None:
    produce(settings, a_request("A"), a_request("B", mode="PROACTIVE"), a_request("C", "copper-line"))
    file = tmp_path / "draft.yaml"
    file.write_text(DRAFT.partition("tests:")[0])
    kafka = {"SOUTHBOUND_KAFKA__BOOTSTRAP": settings.kafka.servers, "SOUTHBOUND_KAFKA__PREFIX": settings.kafka.prefix}
    result = southbound("tables", "publish", str(file), "--backtest", "7d", **kafka)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "warning: 1 request of the last 7d would have been routed differently" in result.stderr
    assert "1 request of the last 7d decided now would become dead letters: add rows" in result.stderr
    assert "S15: spoke copper-lab" in result.stdout
    assert "is live" not in result.stdout


READER_PROGRAM = """
import os, signal
from southbound.operations.backtest.run_backtest import reader_pool
with reader_pool(1) as readers:
    print(readers.submit(os.getpid).result(), flush=True)
    signal.pause()
"""


def is_alive(stat: Path) -> bool:
    try:
        return ") Z " not in stat.read_text()  # a zombie has ended; its parent may not collect its exit code
    except OSError:
        return False


def test_a_reader_process_ends_with_the_process_that_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", READER_PROGRAM], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        reader = Path(f"/proc/{int(started.stdout.readline())}/stat")
        started.kill()
    until = time.monotonic() + 60
    while is_alive(reader):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_several_readers_together_find_the_same_as_one(settings: Settings) -> None:
    produce(
        settings, *[a_request(f"R{number}", ("fibre-line", "copper-line", "x")[number % 3]) for number in range(200)]
    )
    now, draft = (load_any(text, "s.yaml", run_tests=False) for text in (SHIPPED, DRAFT))
    one, three = (
        run_backtest(
            settings, current=now, draft=draft, lookback=timedelta(days=1), max_named_runs=200, readers=readers
        ).tally
        for readers in (1, 3)
    )
    assert (three.changes, three.skipped) == (one.changes, one.skipped)
    assert {change: set(runs) for change, runs in three.runs.items()} == {
        change: set(runs) for change, runs in one.runs.items()
    }
    assert one.events == 200


def test_a_topic_without_events_has_an_empty_result(settings: Settings, tmp_path: Path) -> None:
    result = run_backtest_command(settings, tmp_path)
    assert result.exit_code == ExitCode.SUCCESS
    assert "0 of 0 requests would be routed differently" in result.stdout


def test_a_registry_that_does_not_answer_is_one_sentence(settings: Settings, tmp_path: Path) -> None:
    with reserve_port() as unused:
        url = f"http://{unused.address}"
        (tmp_path / "draft.yaml").write_text(DRAFT)
        kafka = {
            "SOUTHBOUND_KAFKA__BOOTSTRAP": settings.kafka.servers,
            "SOUTHBOUND_KAFKA__PREFIX": settings.kafka.prefix,
            "SOUTHBOUND_KAFKA__REGISTRY": url,
        }
        result = southbound("tables", "backtest", str(tmp_path / "draft.yaml"), **kafka)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "does not answer" in result.stderr


def test_a_topic_that_does_not_exist_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "draft.yaml").write_text(DRAFT)
    elsewhere = {
        "SOUTHBOUND_KAFKA__BOOTSTRAP": settings.kafka.servers,
        "SOUTHBOUND_KAFKA__PREFIX": "nowhere.",
        "SOUTHBOUND_KAFKA__START_TIMEOUT": "3",
    }
    result = southbound("tables", "backtest", str(tmp_path / "draft.yaml"), **elsewhere)
    assert result.exit_code == ExitCode.UNREACHABLE
    assert "nowhere.testrun.lifecycle" in result.stderr
