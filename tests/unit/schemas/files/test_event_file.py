"""Event files may be YAML, JSON or JSON lines, and all mistakes are reported at once."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.files.event_file import EventFileError, read_events
from schemas.files.located_yaml import LocatedYamlError
from schemas.lifecycle import RunCancelled
from tests.builders.example_events import EVERY_VERSION, EXAMPLES, NEWEST, example

if TYPE_CHECKING:
    from schemas.codec.envelope import Event

CANCEL = {"type": "RunCancelled", "data": {"run_id": "a", "root_run_id": "a"}}


def read_text(text: str, file: str = "-") -> tuple[Event, ...]:
    return read_events(text, file=file, new_id=lambda: "new")


def error_sentences(text: str, file: str = "-") -> list[str]:
    with pytest.raises(EventFileError) as caught:
        read_text(text, file)
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.mark.parametrize("file", ["-", "one.json", "one.yaml"])
def test_a_single_event_is_read(file: str) -> None:
    (event,) = read_text(json.dumps(CANCEL, indent=1), file)
    assert event.data == RunCancelled(run_id="a", root_run_id="a")
    assert (event.id, event.type) == ("new", "southbound.RunCancelled")


@pytest.mark.parametrize("file", ["-", "many.json", "many.yml"])
def test_a_list_of_events_is_read(file: str) -> None:
    assert len(read_text(json.dumps([CANCEL, CANCEL]), file)) == 2


@pytest.mark.parametrize("file", ["-", "many.jsonl", "many.ndjson"])
def test_one_event_per_line_is_read(file: str) -> None:
    assert len(read_text(f"{json.dumps(CANCEL)}\n\n{json.dumps(CANCEL)}\n", file)) == 2


def test_a_line_separator_inside_a_text_does_not_end_the_line() -> None:
    data = {"run_id": "a", "root_run_id": "a", "reason": "one\u2028two"}
    (event,) = read_text(json.dumps({"type": "RunCancelled", "data": data}, ensure_ascii=False) + "\n", "a.jsonl")
    assert isinstance(event.data, RunCancelled)
    assert event.data.reason == "one\u2028two"


def test_yaml_with_several_documents_and_a_time_is_read() -> None:
    first, second = read_text(
        "type: RunCancelled\nid: '7'\nsource: /me\nsubject: a\ntime: 2026-03-09 08:00:00\n"
        "data: {run_id: a, root_run_id: a}\n---\ntype: southbound.RunCancelled\ndata: {run_id: b, root_run_id: b}\n"
    )
    assert first.headers.time == datetime(2026, 3, 9, 8, tzinfo=UTC)
    assert (first.id, first.headers.source, first.headers.subject) == ("7", "/me", "a")
    assert second.id == "new"


def test_all_mistakes_are_reported_at_once_with_their_lines() -> None:
    text = """\
- type: RunCancelled
  data:
    run_id: x
    root_run_id:
    reasn: z
- type: RunWished
  data: {}
- 5
- type: RunRequested
  data:
    run:
      run_id: a
      name: n
      related_service: {id: ''}
- tpe: RunRequested
"""
    sentences = error_sentences(text, "runs.yaml")
    assert [line.split(" known are")[0] for line in sentences] == [
        "runs.yaml:4: RunCancelled: root_run_id should be a valid string",
        "runs.yaml:5: RunCancelled: reasn is not a known field",
        "runs.yaml:6: event: unknown type 'RunWished';",
        "runs.yaml:8: event: should be an object",
        "runs.yaml:11: RunRequested: run.test_specification is missing",
        "runs.yaml:14: RunRequested: run.related_service.id is empty",
        "runs.yaml:15: event: type is missing",
        "runs.yaml:15: event: data is missing",
        "runs.yaml:15: event: tpe is not a known field",
    ]


def test_mistakes_in_json_have_lines_too() -> None:
    text = '[\n\t{"type": "RunCancelled",\n\t "data": {\n\t\t"run_id": 5}}\n]'
    assert error_sentences(text, "a.json") == [
        "a.json:3: RunCancelled: root_run_id is missing",
        "a.json:4: RunCancelled: run_id should be a valid string",
    ]


def test_a_broken_line_does_not_hide_the_mistakes_of_the_others() -> None:
    text = f'{json.dumps(CANCEL)}\n{{x\n{{"type": "RunCancelled"}}\n'
    assert error_sentences(text, "a.jsonl") == [
        "a.jsonl:2: not JSON: Expecting property name enclosed in double quotes, column 2",
        "a.jsonl:3: event: data is missing",
    ]


@pytest.mark.parametrize(
    ("text", "file", "expected"),
    [
        ("", "a.yaml", "a.yaml:1: holds no event"),
        ("{\n x}", "a.json", "a.json:2: not JSON: Expecting property name"),
        ("a: [\n", "a.yaml", "a.yaml:2: not YAML: "),
        ("a: 1\na: 2\n", "a.yaml", "a.yaml:2: not YAML: "),
        ("\x00", "a.yaml", "a.yaml:1: neither JSON nor YAML: "),
        ("[" * 100_000, "a.json", "a.json:1: not JSON: "),
        ("just words", "-", "-:1: event: should be an object"),
    ],
)
def test_a_file_without_events_is_refused(text: str, file: str, expected: str) -> None:
    assert error_sentences(text, file)[0].startswith(expected)


def test_lines_beyond_the_most_events_of_a_file_are_not_held_in_memory() -> None:
    text = "[]\n" * 2_000_000
    tracemalloc.start()
    try:
        assert error_sentences(text, "a.jsonl") == ["a.jsonl:1: holds more than 100,000 events: split the file"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 150_000_000  # bytes; all lines take 900 MB


def test_a_text_without_lines_for_its_mistakes_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def refuse(text: str) -> NoReturn:
        tries.append(text)
        raise LocatedYamlError("more values than allowed", 3)

    monkeypatch.setattr("schemas.files.located_json.read_located_yaml", refuse)
    told = error_sentences(json.dumps([{"tpe": "RunCancelled"}] * 50), "once.json")
    assert (len(told), len(tries)) == (150, 1)
    assert all(sentence.startswith("once.json:3: ") for sentence in told)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.sampled_from(["-", "a.json", "a.jsonl", "a.yaml"]))
def test_any_text_is_events_or_mistakes(text: str, file: str) -> None:
    with suppress(EventFileError):
        assert read_text(text, file)


def test_there_is_an_example_of_every_version_of_every_event_and_none_too_many() -> None:
    files = {(path.parent.name, int(path.stem.removeprefix("v"))) for path in EXAMPLES.glob("*/*.json")}
    assert files == set(EVERY_VERSION)


@pytest.mark.parametrize(("name", "version"), NEWEST)
def test_every_example_is_the_event_that_its_folder_says(name: str, version: int) -> None:
    assert type(example(name, version).data).__name__ == name
