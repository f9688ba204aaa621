"""The commands about dead letters, as an operator starts them, on a real Kafka."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from consumers.runtime.config import WorkerConfig
from consumers.runtime.dead_letters import Attempts, DeadLetterSubject, build_dead_letter
from consumers.runtime.handler import Partition, Record
from producers.kafka_publisher import producer_settings
from schemas.lifecycle import RunRequested
from schemas.problem import Problem
from schemas.topics import TopicNames, all_topics
from southbound.broker.server import reserve_port
from southbound.exit_codes import ExitCode
from southbound.operations.topic_admin import TopicAdmin
from tests.builders.runs import a_document
from tests.fixtures.command_shell import CommandShell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from confluent_kafka import Message

SUBJECTS = {
    "UNDECODABLE": DeadLetterSubject(error_class="undecodable"),
    "NO_ROW_MATCHES": DeadLetterSubject(error_class="routing", run="TR0002"),
    "CALL_TRANSIENT": DeadLetterSubject(error_class="dispatch", run="TR0003", spoke="fibre-lab", decision="p@1#R1"),
}
RUBBISH = b"\xff\x00 no event"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """The topics of one test, and how to put dead letters there."""

    shell: CommandShell
    names: TopicNames

    def put(  # noqa: PLR0913 - what dead letters differ in
        self,
        code: str,
        *,
        key: bytes = b"TR0001",
        value: bytes | None = RUBBISH,
        headers: Sequence[tuple[str, bytes | None]] = (),
        topic: str | None = None,
        partition: int = 1,
        offset: int = 7,
        count: int = 1,
        at: datetime | None = None,
    ) -> None:
        """Write dead letters as a worker does."""
        producer = Producer(producer_settings(self.shell.bootstrap))
        config = WorkerConfig(role="routing", group="g", dead_letter_topic=self.names.dlq)
        moment = at or datetime.now(UTC)
        attempts = Attempts(count=2, first_at=moment - timedelta(seconds=90), last_at=moment)
        for n in range(count):
            place = Partition(topic=topic or self.names.lifecycle, number=partition, epoch=1)
            record = Record(place, offset + n, key, value, tuple(headers), 0)
            problem = Problem(code=code, sentence=f"It is {code}.", detail="line 1")
            message = build_dead_letter(record, problem, attempts, config, SUBJECTS.get(code, DeadLetterSubject()))
            at_ms = int(moment.timestamp() * 1000)
            producer.produce(message.topic, message.value, message.key, headers=list(message.headers), timestamp=at_ms)
            producer.poll(0)
        assert producer.flush(30) == 0

    def run(self, *words: str) -> str:
        """Run a command about dead letters that succeeds, and return its output."""
        ended = self.shell.southbound("dlq", *words)
        assert ended.returncode == ExitCode.SUCCESS, ended.stderr
        return ended.stdout

    def listed(self, *words: str) -> list[dict[str, str]]:
        """Return the dead letters that `list --json` shows."""
        return [json.loads(line) for line in self.run("list", "--json", *words).splitlines()]

    def read(self, topic: str) -> list[Message]:
        """Return every committed record of a topic."""
        return read_topic(self.shell.bootstrap, topic)


def read_topic(bootstrap: str, topic: str) -> list[Message]:
    """Return the committed records of a topic."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": f"r{uuid.uuid4()}", "enable.partition.eof": True})
    try:
        partitions = reader.list_topics(topic, timeout=60).topics[topic].partitions
        reader.assign([TopicPartition(topic, number, 0) for number in partitions])
        found: list[Message] = []
        ended, deadline = 0, time.monotonic() + 90
        while ended < len(partitions):
            assert time.monotonic() < deadline, f"the end of {topic} was not reached"
            message = reader.poll(1)
            if message is None:
                continue
            if message.error():
                ended += 1
            else:
                found.append(message)
        return found
    finally:
        reader.close()


@pytest.fixture
def letters(kafka_bootstrap: str, tmp_path: Path) -> DeadLetters:
    """Topics of their own."""
    prefix = f"d{uuid.uuid4().hex[:8]}."
    admin = TopicAdmin(producer_settings(kafka_bootstrap))
    admin.apply(admin.plan(all_topics(prefix, ["fibre-lab"])), replication=1)
    variables = {"SOUTHBOUND_KAFKA__BOOTSTRAP": kafka_bootstrap, "SOUTHBOUND_KAFKA__PREFIX": prefix}
    shell = CommandShell(folder=tmp_path, variables=variables, prefix=prefix, bootstrap=kafka_bootstrap)
    return DeadLetters(shell=shell, names=TopicNames(prefix))


def an_event(run: str) -> bytes:
    return json.dumps({"run_id": run, "root_run_id": run, "reason": "enough"}).encode()


def header(message: Message, name: str) -> bytes | None:
    headers: list[tuple[str, bytes]] = message.headers() or []  # type: ignore[assignment] # consumed: a list of bytes
    return next((value for one, value in headers if one == name), None)


def test_dead_letters_of_three_kinds_are_listed_counted_and_filtered(letters: DeadLetters) -> None:
    letters.put("UNDECODABLE")
    letters.put("NO_ROW_MATCHES", key=b"TR0002", at=datetime.now(UTC) - timedelta(days=3))
    letters.put("CALL_TRANSIENT", key=b"TR0003", topic=letters.names.dispatch("fibre-lab"), count=2)
    shown = letters.run("list")
    assert "routing      NO_ROW_MATCHES  TR0002" in shown
    assert len(letters.listed()) == 4
    choices = {
        "--class dispatch": 2,
        "--reason UNDECODABLE --reason no_row_matches": 2,
        "--spoke fibre-lab": 2,
        "--topic dispatch": 2,
        "--topic lifecycle": 2,
        "--run TR0003": 2,
        "--since 1d": 3,
        "--until 1d": 1,
        "--limit 1": 1,
        "--class dispatch --run TR0002": 0,
    }
    assert {words: len(letters.listed(*words.split())) for words in choices} == choices
    groups = [json.loads(line) for line in letters.run("stats", "--json").splitlines()]
    assert [(group["code"], group["open"], group["spoke"]) for group in groups] == [
        ("CALL_TRANSIENT", 2, "fibre-lab"),
        ("NO_ROW_MATCHES", 1, ""),
        ("UNDECODABLE", 1, ""),
    ]
    assert "CALL_TRANSIENT" in letters.run("stats")


def test_a_dead_letter_is_explained_and_credentials_in_its_headers_are_not_shown(letters: DeadLetters) -> None:
    sent = (("ce_type", b"southbound.RunCancelled"), ("Authorization", b"Bearer geheim"), ("x", b"\x1b[31m"))
    letters.put("CALL_TRANSIENT", value=an_event("TR0003"), headers=sent, topic=letters.names.dispatch("fibre-lab"))
    (id_,) = [letter["id"] for letter in letters.listed()]
    shown = letters.run("show", id_)
    assert "CALL_TRANSIENT (dispatch): It is CALL_TRANSIENT." in shown
    for text in ("line 1", "TR0003", "fibre-lab", "p@1#R1", "offset 7", '"reason": "enough"', f"redrive {id_}"):
        assert text in shown
    whole = json.loads(letters.run("show", id_, "--json"))
    assert whole["event"]["data"]["run_id"] == "TR0003"
    exported = letters.run("export")
    assert json.loads(exported)["event"] == whole["event"]
    assert "geheim" not in shown + exported + json.dumps(whole)
    assert "\x1b" not in shown
    assert letters.run("show", id_, "--value").encode() == an_event("TR0003")
    missing = letters.shell.southbound("dlq", "show", "2-999")
    assert (missing.returncode, missing.stderr.count("\n")) == (ExitCode.INVALID_INPUT, 1)


def test_a_redriven_record_is_the_original_also_if_it_is_no_event(letters: DeadLetters) -> None:
    sent = (("ce_id", b"E1"), ("twice", b"1"), ("twice", None), ("southbound-replay", b"earlier"))
    letters.put("UNDECODABLE", key=b"\xff key", headers=sent, partition=5)
    (id_,) = [letter["id"] for letter in letters.listed()]
    assert "1 dead letter redriven as redrive-" in letters.run(
        "redrive", id_, "--author", "ann", "--comment", "why not"
    )
    (back,) = letters.read(letters.names.lifecycle)
    assert (back.key(), back.value(), back.partition()) == (b"\xff key", RUBBISH, 5)
    headers: list[tuple[str, bytes | None]] = back.headers() or []  # type: ignore[assignment] # consumed: a list of bytes
    assert headers[:3] == [("ce_id", b"E1"), ("twice", b"1"), ("twice", None)]
    assert [header(back, f"southbound-redrive-{name}") for name in ("count", "by", "of")] == [
        b"1",
        b"ann",
        id_.encode(),
    ]
    assert (header(back, "southbound-replay") or b"").startswith(b"redrive-")
    assert not [name for name, _ in headers if name.startswith("southbound-dlq-")]
    assert letters.listed() == []
    (closed,) = letters.listed("--all")
    assert (closed["state"], closed["closed"]["by"]) == ("redriven", "ann")  # type: ignore[index] # JSON
    assert "redriven by ann" in letters.run("show", id_)
    assert letters.run("redrive", id_) == ""
    assert len(letters.read(letters.names.lifecycle)) == 1


def test_an_event_without_an_id_keeps_the_id_of_its_first_place(letters: DeadLetters) -> None:
    letters.put("X", value=an_event("TR0001"), headers=[("ce_type", b"southbound.RunCancelled")])
    (before,) = [json.loads(line) for line in letters.run("export").splitlines()]
    letters.run("redrive", "--all")
    (back,) = letters.read(letters.names.lifecycle)
    assert header(back, "ce_id") == before["event"]["id"].encode()


def test_a_dry_run_shows_what_would_be_redriven_and_writes_nothing(letters: DeadLetters) -> None:
    letters.put("X", count=3)
    shown = letters.run("redrive", "--reason", "X", "--dry-run")
    assert shown.count(f"to {letters.names.lifecycle}") == 3
    assert letters.run("drop", "--reason", "X", "--dry-run").count("  X  ") == 3
    assert letters.read(letters.names.lifecycle) == []
    assert len(letters.listed()) == 3


def test_dropped_dead_letters_are_not_open_and_cannot_be_redriven_by_mistake(letters: DeadLetters) -> None:
    letters.put("X", count=3)
    letters.put("Y")
    assert letters.run("drop", "--reason", "X", "--comment", "a test") == "3 dead letters dropped\n"
    assert [letter["code"] for letter in letters.listed()] == ["Y"]
    letters.run("redrive", "--all")
    assert len(letters.read(letters.names.lifecycle)) == 1
    assert "a test" in letters.run("show", letters.listed("--all", "--reason", "X")[0]["id"])


def test_without_a_filter_nothing_is_closed(letters: DeadLetters) -> None:
    letters.put("X")
    for command in ("redrive", "drop"):
        refused = letters.shell.southbound("dlq", command)
        assert (refused.returncode, refused.stderr.count("\n")) == (ExitCode.INVALID_INPUT, 1)
        assert "--all" in refused.stderr
    assert len(letters.listed()) == 1


def test_a_dead_letter_that_comes_back_for_the_third_time_is_refused(letters: DeadLetters) -> None:
    letters.put("X", headers=[("southbound-redrive-count", b"2")])
    letters.put("X", headers=[("southbound-redrive-count", b"3")])
    ended = letters.shell.southbound("dlq", "redrive", "--reason", "X")
    assert ended.returncode == ExitCode.SUCCESS
    assert "not redriven: 1 dead letter failed again after 3 or more redrives" in ended.stderr
    assert [header(back, "southbound-redrive-count") for back in letters.read(letters.names.lifecycle)] == [b"3"]
    refused = letters.shell.southbound("dlq", "redrive", "--reason", "X")
    assert (refused.returncode, refused.stderr.count("\n")) == (ExitCode.INVALID_INPUT, 1)
    letters.run("redrive", "--reason", "X", "--max-redrives", "4")
    assert letters.listed() == []


def test_a_record_of_a_topic_that_is_not_ours_is_not_redriven(letters: DeadLetters) -> None:
    letters.put("X", topic=letters.names.store)
    refused = letters.shell.southbound("dlq", "redrive", "--all")
    assert (refused.returncode, refused.stderr.count("\n")) == (ExitCode.INVALID_INPUT, 1)
    assert "came from no topic that Southbound reads" in refused.stderr


def test_an_edited_event_is_encoded_again_and_keeps_its_id_and_other_headers(letters: DeadLetters) -> None:
    sent = (("ce_type", b"southbound.RunCancelled"), ("ce_id", b"E7"), ("x-tenant", b"blue"))
    letters.put("X", value=an_event("TR0007"), headers=sent, key=b"TR0007")
    (id_,) = [letter["id"] for letter in letters.listed()]
    event = json.loads(letters.run("show", id_, "--event"))
    event["data"]["reason"] = "edited"
    file = letters.shell.folder / "event.json"
    file.write_text(json.dumps(event))
    letters.run("redrive", id_, "--edit", str(file))
    (back,) = letters.read(letters.names.lifecycle)
    seen = json.loads(letters.shell.southbound("tail", "lifecycle", "--from-start", "--no-follow", "--json").stdout)
    assert (seen["id"], seen["data"]["reason"], back.partition()) == ("E7", "edited", 1)
    assert header(back, "x-tenant") == b"blue"


def test_an_edited_event_of_another_topic_is_refused(letters: DeadLetters) -> None:
    letters.put("X", topic=letters.names.dispatch("fibre-lab"))
    file = letters.shell.folder / "event.json"
    file.write_text(json.dumps({"type": "RunCancelled", "data": json.loads(an_event("TR0001"))}))
    refused = letters.shell.southbound("dlq", "redrive", "--all", "--edit", str(file))
    assert refused.returncode == ExitCode.INVALID_INPUT
    assert f"RunCancelled belongs on {letters.names.lifecycle}" in refused.stderr
    assert len(letters.listed()) == 1


def test_edited_bytes_replace_a_value_that_is_no_event(letters: DeadLetters) -> None:
    letters.put("UNDECODABLE", headers=[("ce_id", b"E1")])
    file = letters.shell.folder / "value.bin"
    file.write_bytes(b"\xfe repaired")
    letters.run("redrive", "--all", "--edit", str(file), "--raw")
    (back,) = letters.read(letters.names.lifecycle)
    assert (back.value(), header(back, "ce_id")) == (b"\xfe repaired", b"E1")


def test_fields_of_many_events_are_edited_at_once_and_those_that_stay_invalid_are_left(letters: DeadLetters) -> None:
    sent = (("ce_type", b"southbound.RunRequested"), ("ce_id", b"E1"), ("x-tenant", b"blue"))
    wrong = RunRequested(run=a_document("TR1")).model_dump(mode="json", exclude_none=True)
    wrong["run"]["mode"] = "WEEKLY"
    letters.put("INVALID_EVENT", value=json.dumps(wrong).encode(), headers=sent, key=b"TR1", count=7)
    unlike = json.dumps({"run": {**wrong["run"], "mode": "DAILY"}}).encode()
    letters.put("INVALID_EVENT", value=unlike, headers=sent, key=b"TR1", offset=80)
    letters.put("INVALID_EVENT", value=b'{"run": {"run_id": "TR2"}}', headers=sent, key=b"TR2", offset=90)
    letters.put("INVALID_EVENT", value=RUBBISH, headers=sent, key=b"TR3", offset=91)
    edit = ("--reason", "INVALID_EVENT", "--set", "/run/mode=ONDEMAND")
    planned = letters.shell.southbound("dlq", "redrive", *edit, "--dry-run")
    assert planned.stdout.count('\n    /run/mode: "WEEKLY" → "ONDEMAND"') == 5
    assert planned.stdout.count(f"to {letters.names.lifecycle}: would go to fibre-lab by outbound-policy@") == 8
    assert planned.stdout.splitlines()[-2:] == [
        '7 times /run/mode: "WEEKLY" → "ONDEMAND"',
        '1 times /run/mode: "DAILY" → "ONDEMAND"',
    ]
    assert "8 dead letters redriven as …, 8 of them edited" in planned.stderr
    assert "the tables now decide 8 of 8 requests" in planned.stderr
    assert "not redriven: 2 dead letters cannot be edited like that" in planned.stderr
    assert letters.read(letters.names.lifecycle) == []
    (plan, *_) = letters.run("redrive", *edit, "--dry-run", "--json").splitlines()
    assert json.loads(plan)["changes"] == [{"field": "/run/mode", "from": "WEEKLY", "to": "ONDEMAND"}]
    assert "8 of them edited" in letters.run("redrive", *edit, "--author", "ann")
    back = letters.read(letters.names.lifecycle)
    wrong["run"]["mode"] = "ONDEMAND"
    assert [json.loads(each.value() or b"") for each in back] == [wrong] * 8
    marks = {(header(each, "southbound-redrive-edited"), header(each, "southbound-redrive-by")) for each in back}
    assert marks == {(b"/run/mode", b"ann")}
    assert {header(each, "x-tenant") for each in back} == {b"blue"}
    closed = letters.listed("--all", "--run", "TR1")
    assert {each["closed"]["edited"] for each in closed} == {"/run/mode"}  # type: ignore[index] # JSON
    assert "edited: /run/mode" in letters.run("show", closed[0]["id"])
    assert len(letters.listed()) == 2
    refused = letters.shell.southbound("dlq", "redrive", *edit)
    assert (refused.returncode, refused.stderr.count("\n")) == (ExitCode.INVALID_INPUT, 1)


def test_an_event_that_is_not_valid_is_shown_corrected_and_redriven_as_an_event(letters: DeadLetters) -> None:
    sent = (("ce_type", b"southbound.RunCancelled"), ("ce_id", b"E7"))
    letters.put("INVALID_EVENT", value=b'{"run_id": "TR7", "root_run_id": "TR7", "why": "x"}', headers=sent, key=b"TR7")
    (id_,) = [letter["id"] for letter in letters.listed()]
    shown = letters.run("show", id_)
    assert '    "why": "x"' in shown
    assert "not valid: " in shown
    assert "A plain redrive fails again" in shown
    assert f"southbound dlq redrive {id_} --edit event.json" in shown
    event = json.loads(letters.run("show", id_, "--event"))
    assert (event["type"], event["id"], event["data"]["why"]) == ("RunCancelled", "E7", "x")
    event["data"]["reason"] = event["data"].pop("why")
    file = letters.shell.folder / "event.json"
    file.write_text(json.dumps(event))
    letters.run("redrive", id_, "--edit", str(file))
    (seen,) = letters.shell.southbound("tail", "lifecycle", "--from-start", "--no-follow", "--json").stdout.splitlines()
    assert (json.loads(seen)["id"], json.loads(seen)["data"]["reason"]) == ("E7", "x")
    (back,) = letters.read(letters.names.lifecycle)
    assert header(back, "southbound-redrive-edited") == b"event"


def test_an_interrupted_redrive_goes_on_with_the_rest_and_repeats_nothing(letters: DeadLetters) -> None:
    letters.put("X", count=60)
    with letters.shell.started("dlq", "redrive", "--all", "--rate", "1", "--json") as command:
        command.wait_for_output('"state": "redriven"')
        assert command.stop_with_signal(signal.SIGINT) == ExitCode.INTERRUPTED
        assert "of 60 dead letters redriven; run the same command again for the rest" in command.output
        assert "Traceback" not in command.output
    left = len(letters.listed())
    assert 0 < left < 60
    assert f"{left} dead letters redriven" in letters.run("redrive", "--all")
    offsets = [header(back, "southbound-redrive-of") for back in letters.read(letters.names.lifecycle)]
    assert len(offsets) == len(set(offsets)) == 60


def test_a_killed_redrive_goes_on_with_the_rest_and_repeats_nothing(letters: DeadLetters) -> None:
    letters.put("X", count=60)
    with letters.shell.started("dlq", "redrive", "--all", "--rate", "1", "--json") as command:
        command.wait_for_output('"state": "redriven"')
        command.stop_with_signal(signal.SIGKILL)
    letters.run("redrive", "--all")
    offsets = [header(back, "southbound-redrive-of") for back in letters.read(letters.names.lifecycle)]
    assert len(offsets) == len(set(offsets)) == 60


def test_the_rate_is_not_exceeded(letters: DeadLetters) -> None:
    letters.put("X", count=30)
    letters.run("redrive", "--all", "--rate", "10")
    times = sorted(back.timestamp()[1] for back in letters.read(letters.names.lifecycle))
    assert len(times) == 30
    # A batch is 2 records in 0.2 s, and 28 come before the last one. A machine that stands still when a batch begins
    # makes its records younger, and what follows them appears faster: so it is measured from several batches.
    assert any(times[-1] - times[first] >= (28 - first) * 100 - 200 for first in (0, 4, 8, 12))


def test_a_redrive_that_is_started_later_takes_over_and_nothing_is_redriven_twice(letters: DeadLetters) -> None:
    letters.put("X", count=60)
    with letters.shell.started("dlq", "redrive", "--all", "--rate", "1", "--json") as first:
        first.wait_for_output('"state": "redriven"')
        letters.run("redrive", "--all")
        first.process.wait(90)
        assert first.process.returncode == ExitCode.UNREACHABLE
        assert "Another redrive or drop was started and took over" in first.output
    offsets = [header(back, "southbound-redrive-of") for back in letters.read(letters.names.lifecycle)]
    assert len(offsets) == len(set(offsets)) == 60


def test_a_record_that_does_not_fit_any_more_stays_open_and_the_others_are_redriven(letters: DeadLetters) -> None:
    letters.put("X", count=2)
    letters.put("LARGE", value=os.urandom(1_048_400))
    ended = letters.shell.southbound("dlq", "redrive", "--all")
    assert ended.returncode == ExitCode.SUCCESS, ended.stderr
    assert "does not fit" in ended.stderr
    assert [letter["code"] for letter in letters.listed()] == ["LARGE"]
    assert len(letters.read(letters.names.lifecycle)) == 2


def test_two_dead_letters_of_one_record_are_redriven_as_one_record(letters: DeadLetters) -> None:
    letters.put("X", offset=7)
    letters.put("X", offset=7)
    letters.put("X", offset=8)
    shown = letters.run("redrive", "--all")
    assert "3 dead letters redriven" in shown
    assert "1 that repeat another one" in shown
    assert len(letters.read(letters.names.lifecycle)) == 2
    assert letters.listed() == []


def test_dead_letters_are_exported_to_a_file_that_only_its_owner_reads(letters: DeadLetters) -> None:
    letters.put("UNDECODABLE", count=3)
    file = letters.shell.folder / "letters.jsonl"
    letters.run("export", "--out", str(file))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["code"], line["value_base64"] is not None) for line in lines] == [("UNDECODABLE", True)] * 3
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("words", ["list", "stats", "show 0-1", "redrive --all", "drop --all", "export"])
def test_kafka_that_does_not_answer_is_one_sentence_within_ten_seconds(tmp_path: Path, words: str) -> None:
    with reserve_port() as unused:
        variables = {"SOUTHBOUND_KAFKA__BOOTSTRAP": unused.address}
        shell = CommandShell(folder=tmp_path, variables=variables, prefix="", bootstrap=unused.address)
        began = time.monotonic()
        ended = shell.southbound("dlq", *words.split())
    assert ended.returncode == ExitCode.UNREACHABLE
    assert "Kafka does not answer" in ended.stderr.splitlines()[-1]
    # A service waits for a minute. What is above ten seconds is for the start of the interpreter on a busy machine.
    assert time.monotonic() - began < 50
