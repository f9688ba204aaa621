"""Only the fields that a table uses are decoded, and they give the same facts as the whole run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.selection.fact_paths import DERIVED_FACTS
from router.selection.facts import facts_of
from router.selection.needed_fields import fields_of_paths
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.codec.errors import InvalidEventError, UndecodableError
from schemas.codec.projection import ItemsNamed, PartialEvent, PartialEventReader
from schemas.lifecycle import RunCancelled, RunRequested
from schemas.run_document import Characteristic, RunDocument
from tests.builders.runs import a_document, a_tree
from tests.generators.run_rows import documents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.catalogue import EventData

JSON_CODEC = Codec(json_models=frozenset({RunRequested, RunCancelled}))
PATHS = (
    *DERIVED_FACTS,
    "run_id",
    "parent_run_id",
    "test_specification.id",
    "test_specification.version",
    "related_service.type",
    "related_service.name",
    "mode",
    "priority",
    "start_date_time",
    "characteristic[speed]",
    "characteristic[a]",
    "characteristic[site].region.code",
    "children.test_specification.id",
    "children.name",
    "test_measure.metric_name",
    "related_party.role",
)


def encode(message: EventData, codec: Codec | None = None) -> tuple[bytes, tuple[tuple[str, bytes | None], ...]]:
    return Envelope(codec or Codec()).encode(Event(headers=EventHeaders(id="E1"), data=message))


def read_projected(run: RunDocument, paths: Sequence[str]) -> tuple[PartialEventReader, PartialEvent]:
    reader = PartialEventReader(fields_of_paths(paths))
    return reader, reader.read(*encode(RunRequested(run=run)))


@settings(max_examples=60, deadline=None)
@given(
    run=documents() | st.sampled_from([a_tree(), a_document(child_run_ids=("A", "B")), a_document("C", parent="P")]),
    paths=st.lists(st.sampled_from(PATHS), unique=True),
    name=st.sampled_from(["speed", "a", "site"]),
)
def test_the_facts_of_a_projected_run_are_those_of_the_whole_run(run: RunDocument, paths: list[str], name: str) -> None:
    renamed = [item.model_copy(update={"name": name}) for item in run.characteristic[:1]]
    whole = run.model_copy(update={"characteristic": (*renamed, *run.characteristic)})
    reader, part = read_projected(whole, paths)
    assert (part.run_id, part.is_child) == (whole.run_id, whole.parent_run_id is not None)
    facts, of_part = facts_of(whole), facts_of(reader.document(part))
    assert [of_part.value(path) for path in paths] == [facts.value(path) for path in paths]


def test_only_fields_of_the_paths_are_projected() -> None:
    assert fields_of_paths(["test_specification.id", "characteristic[a]", "characteristic[b].c", "child_count"]) == {
        "test_specification": {"id": None},
        "characteristic": ItemsNamed(frozenset({"a", "b"})),
        "children": {},
        "child_run_ids": None,
    }


def test_fields_of_one_group_are_projected_together() -> None:
    assert fields_of_paths(["children.name", "has_children", "children.mode"])["children"] == {
        "name": None,
        "mode": None,
    }
    assert fields_of_paths(["characteristic.name", "characteristic[a]"])["characteristic"] is None


def test_two_runs_are_the_same_if_their_projected_fields_are() -> None:
    first, second = (
        read_projected(a_document(run_id, priority=7, tenant=run_id), ["priority", "mode"])[1] for run_id in ("A", "B")
    )
    assert first.content_key == second.content_key
    assert first.run_id != second.run_id


@pytest.mark.parametrize(("first", "second"), [(1, True), (1, 1.0), (1, "1"), (None, ""), (0, False), ("[1]", [1])])
def test_values_of_another_kind_are_never_the_same(first: object, second: object) -> None:
    runs = [
        a_document(characteristic=(Characteristic.model_validate({"name": "a", "value": value}),))
        for value in (first, second)
    ]
    one_run, other_run = (read_projected(run, ["characteristic[a]"])[1].content_key for run in runs)
    assert one_run != other_run


def test_a_name_is_found_with_blanks_around_it() -> None:
    blank = RunRequested(run=a_document(characteristic=(Characteristic.model_construct(name=" a ", value=1),)))
    reader = PartialEventReader(fields_of_paths(["characteristic[a]"]))
    assert facts_of(reader.document(reader.read(*encode(blank)))).value("characteristic[a]") == 1


def test_a_value_in_json_is_read_whole() -> None:
    reader = PartialEventReader(fields_of_paths(["mode"]))
    part = reader.read(*encode(RunRequested(run=a_document(mode="PROACTIVE")), JSON_CODEC))
    assert part.content_key is None
    assert facts_of(reader.document(part)).value("mode") == "PROACTIVE"


def test_other_events_are_recognised_by_their_type() -> None:
    reader = PartialEventReader(fields_of_paths(["mode"]))
    cancelled = RunCancelled(run_id="A", root_run_id="A")
    assert reader.read(*encode(cancelled)) == PartialEvent(RunCancelled)
    assert reader.read(*encode(cancelled, JSON_CODEC)) == PartialEvent(RunCancelled)


def test_an_invalid_projected_field_is_named() -> None:
    spec = a_document().test_specification.model_copy(update={"id": ""})
    reader, part = read_projected(
        a_document().model_copy(update={"test_specification": spec}), ["test_specification.id"]
    )
    with pytest.raises(InvalidEventError, match=r"test_specification.id is empty"):
        reader.document(part)


@pytest.mark.parametrize("value", [None, b"", b"nonsense", b"\xc3\x01", b"\xc3\x0112345678"])
def test_bytes_that_are_no_event_are_refused(value: bytes | None) -> None:
    with pytest.raises(UndecodableError):
        PartialEventReader(fields_of_paths(["mode"])).read(value, ())


def test_a_contradicting_type_header_is_refused() -> None:
    value, _ = encode(RunRequested(run=a_document()))
    with pytest.raises(InvalidEventError, match="ce_type"):
        PartialEventReader({}).read(value, [("ce_type", b"southbound.RunCancelled")])
