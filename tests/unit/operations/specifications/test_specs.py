"""The commands about specifications: what they print, write and refuse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from schemas.published_tables import SpecificationRecord
from southbound.exit_codes import ExitCode
from southbound.operations import kafka
from southbound.operations.specifications import topic as commands
from tests.builders.runs import NOON
from tests.builders.specifications import a_specification_document
from tests.fakes.specification_topic import InMemorySpecificationTopic as Topic
from tests.harness.command_line import southbound

if TYPE_CHECKING:
    from pathlib import Path

    from southbound.settings.settings import Settings


@pytest.fixture(autouse=True)
def topic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Topic:
    """The topic that the commands use in place of Kafka's."""
    found = Topic()

    async def check_topics(_: Settings, topics: list[str]) -> None:
        assert topics == [found.name]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kafka, "wait_until_reachable", check_topics)
    monkeypatch.setattr(commands, "specification_topic", lambda _: found)
    return found


def write(path: Path, *documents: object) -> str:
    path.write_text(json.dumps(documents))
    return str(path)


YAML = """
id: fibre-line
name: Fibre line
version: "2.3"
lifecycleStatus: published
relatedServiceSpecification: [{id: broadband}]
testMeasureDefinition:
  - {id: TM-1, metricName: speed, unitOfMeasure: Mbit/s}
  - {id: TM-2, metricName: delay}
---
- {id: copper-line, name: Copper line, relatedServiceSpecification: [{id: broadband}]}
"""


def test_applied_specifications_are_listed_and_shown(tmp_path: Path) -> None:
    (tmp_path / "specs.yaml").write_text(YAML)
    applied = southbound("specs", "apply", "specs.yaml", "--author", "ann", "--comment", "first")
    assert applied.exit_code == ExitCode.SUCCESS, applied.stderr
    assert [line.partition(" (")[0] for line in applied.stdout.splitlines()] == [
        "fibre-line is added",
        "copper-line is added",
    ]
    assert "set routing.specifications: topic" in applied.stderr
    copper, fibre = (json.loads(line) for line in southbound("specs", "list", "--json").stdout.splitlines())
    assert (copper["id"], copper["measures"]) == ("copper-line", 0)
    expected = {"id": "fibre-line", "name": "Fibre line", "version": "2.3", "status": "published", "measures": 2}
    assert expected.items() <= fibre.items()
    assert "Fibre line" in southbound("specs", "list").stdout
    shown = southbound("specs", "show", "fibre-line")
    assert json.loads(shown.stdout)["testMeasureDefinition"][0]["unitOfMeasure"] == "Mbit/s"
    assert "by ann: first" in shown.stderr
    record = json.loads(southbound("specs", "show", "fibre-line", "--json").stdout)
    assert (record["author"], record["document"]["name"]) == ("ann", "Fibre line")


def test_the_printed_document_can_be_applied_again_and_changes_nothing(topic: Topic, tmp_path: Path) -> None:
    southbound("specs", "apply", write(tmp_path / "a.json", a_specification_document("A", "TM-1")))
    again = southbound("specs", "apply", "-", stdin=southbound("specs", "show", "A").stdout)
    assert (again.exit_code, again.stdout, topic.writes) == (ExitCode.SUCCESS, "", 1)
    assert "1 specification unchanged" in again.stderr


def test_a_changed_specification_is_replaced(tmp_path: Path) -> None:
    southbound("specs", "apply", write(tmp_path / "a.json", a_specification_document("A")))
    changed = southbound(
        "specs", "apply", write(tmp_path / "a.json", a_specification_document("A", version="2")), "--json"
    )
    assert json.loads(changed.stdout)["new"] is False
    assert json.loads(southbound("specs", "show", "A").stdout)["version"] == "2"


def test_a_deleted_specification_is_gone(tmp_path: Path) -> None:
    southbound("specs", "apply", write(tmp_path / "a.json", a_specification_document("A")))
    assert southbound("specs", "delete", "A").stdout == "A is deleted\n"
    for command in ("show", "delete"):
        gone = southbound("specs", command, "A")
        assert gone.exit_code == ExitCode.INVALID_INPUT
        assert "no specification A is known: see `southbound specs list`" in gone.stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"id": "A"', "a.json:1: not JSON"),
        ("[1, {}]", "a.json: value 1 is no test specification"),
        ("[]", "a.json: has no test specification"),
        ('{"id": "A", "id": "B"}', "a.json"),
        ('{"id": "A", "name": 7}', "specification A: /relatedServiceSpecification: is missing"),
    ],
)
def test_a_file_with_mistakes_is_refused_as_a_whole(tmp_path: Path, topic: Topic, text: str, sentence: str) -> None:
    (tmp_path / "a.json").write_text(text)
    refused = southbound("specs", "apply", "a.json")
    assert refused.exit_code == ExitCode.INVALID_INPUT
    assert sentence in refused.stderr
    assert topic.log == []


def test_a_change_at_the_same_time_is_not_overwritten(tmp_path: Path, topic: Topic) -> None:
    southbound("specs", "apply", write(tmp_path / "a.json", a_specification_document("A")))
    topic.quicker = [(b"A", None)]
    refused = southbound("specs", "apply", write(tmp_path / "a.json", a_specification_document("A", version="2")))
    assert refused.exit_code == ExitCode.INVALID_INPUT
    assert "changed meanwhile" in refused.stderr


def test_kafka_that_cannot_be_read_is_exit_code_three(topic: Topic) -> None:
    topic.problem = "topic testrun.specifications was not read"
    failed = southbound("specs", "list")
    assert failed.exit_code == ExitCode.UNREACHABLE
    assert "was not read" in failed.stderr


def test_a_record_that_cannot_be_read_is_named(topic: Topic) -> None:
    topic.log = [(b"A", b"{}")]
    listed = southbound("specs", "list")
    assert (listed.exit_code, "specification A cannot be read" in listed.stderr) == (ExitCode.SUCCESS, True)
    assert southbound("specs", "show", "A").exit_code == ExitCode.INVALID_INPUT


def test_a_specification_that_would_be_refused_now_is_used_and_warned_about(topic: Topic) -> None:
    document = a_specification_document("A", "TM-1", validFor="always")
    record = SpecificationRecord(id="A", revision=1, author="ann", changed_at=NOON, document=document)
    topic.log.append((b"A", record.model_dump_json().encode()))
    for command in (("list",), ("show", "A")):
        answer = southbound("specs", *command)
        assert answer.exit_code == ExitCode.SUCCESS
        assert "would be refused now: /validFor: must be an object: mend it and apply it again" in answer.stderr
