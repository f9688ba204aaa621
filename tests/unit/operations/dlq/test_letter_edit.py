"""Edits change exactly the fields that they name, in JSON and in Avro, and a result that is no event is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec.cloudevents import MEDIA_TYPE
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope
from schemas.lifecycle import RunCancelled, RunRequested
from schemas.text.json_pointer import pointer_to
from southbound.exit_codes import CommandFailedError
from southbound.operations.dlq.advice import SAME_BYTES, advise
from southbound.operations.dlq.edits.edit_letters import EditOptions, FieldEditor, unchecked_event
from southbound.operations.dlq.edits.field_edits import ABSENT, EditedField, UneditableError, apply_edits, parse_edits
from southbound.operations.dlq.redriven_message import RedriveMark, redriven_message
from tests.builders.runs import a_document
from tests.unit.operations.dlq.test_letters import MARK, NAMES, a_letter

if TYPE_CHECKING:
    from pathlib import Path

ENVELOPE = Envelope(Codec())
REQUESTED = (("ce_type", b"southbound.RunRequested"), ("ce_id", b"E1"), ("x-tenant", b"blue"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
NAMES_OF_FIELDS = st.text(min_size=1, max_size=3).filter(lambda name: "=" not in name)  # the first = ends a pointer
OBJECTS = st.dictionaries(NAMES_OF_FIELDS, JSON, min_size=1, max_size=4)


def an_order(**fields: object) -> bytes:
    """Return a `RunRequested` in JSON with other fields."""
    data = RunRequested(run=a_document("TR0001")).model_dump(mode="json", exclude_none=True)
    data["run"] |= fields
    return json.dumps(data).encode()


def an_editor(*sets: str, removals: tuple[str, ...] = ()) -> FieldEditor:
    return FieldEditor(edits=parse_edits(sets, removals), envelope=ENVELOPE, names=NAMES)


@given(document=OBJECTS, value=JSON, choice=st.data())
def test_setting_a_field_changes_that_field_only(
    document: dict[str, object], value: object, choice: st.DataObject
) -> None:
    name = choice.draw(st.sampled_from(sorted(document)) | NAMES_OF_FIELDS)
    edited = deepcopy(document)
    changes = apply_edits(edited, parse_edits([f"{pointer_to([name])}={json.dumps(value)}"], []))
    assert edited == {**document, name: value}
    is_same = name in document and json.dumps(document[name]) == json.dumps(value)
    assert [change.pointer for change in changes] == ([] if is_same else [pointer_to([name])])


@given(document=OBJECTS, choice=st.data())
def test_removing_a_field_that_is_set_brings_the_document_back(
    document: dict[str, object], choice: st.DataObject
) -> None:
    name = choice.draw(NAMES_OF_FIELDS.filter(lambda each: each not in document))
    edited = deepcopy(document)
    apply_edits(edited, parse_edits([f"{pointer_to([name])}=1"], [pointer_to([name])]))
    assert edited == document


@given(text=st.text(), document=OBJECTS)
def test_any_text_as_an_edit_is_applied_or_a_sentence(text: str, document: dict[str, object]) -> None:
    for sets, removals in (([text], []), ([], [text])):
        with suppress(CommandFailedError, UneditableError):
            apply_edits(document, parse_edits(sets, removals))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("ONDEMAND", "ONDEMAND"),
        ('"5"', "5"),
        ("5", 5),
        ("null", None),
        ('{"a": [1]}', {"a": [1]}),
        ("", ""),
        ("a=b", "a=b"),
    ],
)
def test_a_value_is_json_or_a_text(written: str, value: object) -> None:
    (edit,) = parse_edits([f"/x={written}"], [])
    assert edit.value == value


@pytest.mark.parametrize("text", ["mode=x", "/x", "/a~2=1", "=1", "/=1", "/x=NaN", "/x=0.12345678901234567890123"])
def test_an_edit_that_means_nothing_is_one_sentence(text: str) -> None:
    with pytest.raises(CommandFailedError) as refused:
        parse_edits([text], [])
    assert len(refused.value.sentences) == 1


def test_a_star_is_every_item_of_a_list_and_a_dash_a_new_one() -> None:
    document: dict[str, object] = {"runs": [{"mode": "a"}, {"mode": "b"}, "text"], "tags": []}
    changes = apply_edits(document, parse_edits(["/runs/*/mode=b", "/tags/-=new"], []))
    assert document == {"runs": [{"mode": "b"}, {"mode": "b"}, "text"], "tags": ["new"]}
    assert [(change.pointer, change.before) for change in changes] == [("/runs/0/mode", "a"), ("/tags/-", ABSENT)]
    apply_edits(document, parse_edits([], ["/runs/*"]))
    assert document["runs"] == []


def test_an_edit_of_more_places_than_one_may_change_changes_none_of_them() -> None:
    document: dict[str, object] = {"rows": [[0] * 101] * 100}
    with pytest.raises(UneditableError, match=r"/rows/\*/\* leads to more than 10,000 places"):
        apply_edits(document, parse_edits(["/rows/*/*=1"], []))
    assert document == {"rows": [[0] * 101] * 100}


def test_two_places_that_are_set_to_one_object_do_not_share_it() -> None:
    document: dict[str, object] = {"runs": [{}, {}]}
    apply_edits(document, parse_edits(['/runs/*/x={"a": 1}', "/runs/0/x/a=2"], []))
    assert document == {"runs": [{"x": {"a": 2}}, {"x": {"a": 1}}]}


def test_a_json_event_that_was_not_valid_is_corrected_and_keeps_everything_else() -> None:
    letter = a_letter(REQUESTED, value=an_order(mode="WEEKLY", note="ü"), key=b"TR0001")
    with pytest.raises(UneditableError, match="it would fail again: RunRequested is not valid"):
        an_editor("/run/mode=ONDEMAND").edit(letter)
    edited = an_editor("/run/mode=ONDEMAND", removals=("/run/note",)).edit(letter)
    assert edited is not None
    assert json.loads(edited.record.value) == json.loads(an_order(mode="ONDEMAND"))
    assert (edited.record.key, edited.record.headers) == (b"TR0001", REQUESTED)
    lines = [change.as_line() for change in edited.changes]
    assert lines == ['/run/mode: "WEEKLY" → "ONDEMAND"', '/run/note: "ü" → (none)']
    message = redriven_message(
        letter, RedriveMark(redrive="r", by="ann", at=MARK.at, edited=edited.mark), edited.record
    )
    assert dict(message.headers)["southbound-redrive-edited"] == b"/run/mode /run/note"


def test_an_event_in_avro_is_encoded_again() -> None:
    value, headers = ENVELOPE.encode(ENVELOPE.decode(an_order(), REQUESTED, fallback_id="E1"))
    edited = an_editor("/run/mode=PROACTIVE").edit(a_letter(headers, value=value))
    assert edited is not None
    event = ENVELOPE.decode(edited.record.value, edited.record.headers, fallback_id="other")
    assert event.id == "E1"
    assert isinstance(event.data, RunRequested)
    assert event.data.run.mode == "PROACTIVE"


def test_the_data_of_a_structured_event_is_edited() -> None:
    cloud_event = {
        "specversion": "1.0",
        "type": "southbound.RunRequested",
        "id": "E9",
        "data": json.loads(an_order(mode="?")),
    }
    letter = a_letter((("content-type", MEDIA_TYPE.encode()),), value=json.dumps(cloud_event).encode())
    edited = an_editor("/run/mode=ONDEMAND").edit(letter)
    assert edited is not None
    assert ENVELOPE.decode(edited.record.value, edited.record.headers, fallback_id="x").id == "E9"
    found = unchecked_event(letter)
    assert found is not None
    assert (found["type"], found["id"]) == ("RunRequested", "E9")


def test_an_event_that_has_the_value_already_goes_back_as_it_was() -> None:
    assert an_editor("/run/mode=ONDEMAND").edit(a_letter(REQUESTED, value=an_order(mode="ONDEMAND"))) is None


@pytest.mark.parametrize("value", [b"\xff\x00 no event", b'{"run": {"run_id"', b"[1]", None, b""])
def test_a_value_that_is_no_json_object_is_refused(value: bytes | None) -> None:
    with pytest.raises(UneditableError, match="its value is neither JSON nor an event"):
        an_editor("/run/mode=ONDEMAND").edit(a_letter(REQUESTED, value=value))


def test_an_edit_may_not_move_an_event_to_another_topic() -> None:
    letter = a_letter(REQUESTED, value=an_order(), topic=NAMES.inbound)
    with pytest.raises(UneditableError, match="it would belong on"):
        an_editor("/run/mode=PROACTIVE").edit(letter)


def test_the_record_of_a_stream_is_edited_as_it_is() -> None:
    letter = a_letter(REQUESTED, value=b'{"id": "1"}', role="ingress.desk", key=b"K")
    edited = an_editor("/id=2").edit(letter)
    assert edited is not None
    assert (json.loads(edited.record.value), edited.record.key) == ({"id": 2}, b"K")


def test_a_key_follows_the_root_run_that_an_edit_names() -> None:
    value = json.dumps({"run_id": "A", "root_run_id": "A"}).encode()
    letter = a_letter((("ce_type", b"southbound.RunCancelled"),), value=value, key=b"A")
    edited = an_editor("/root_run_id=B").edit(letter)
    assert edited is not None
    assert edited.record.key == b"B"
    assert isinstance(ENVELOPE.decode(edited.record.value, edited.record.headers, fallback_id="x").data, RunCancelled)


def test_options_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    for options in (
        EditOptions(file=tmp_path, sets=["/a=1"]),
        EditOptions(raw=True),
        EditOptions(sets=["/a=1"] * 101),
        EditOptions(sets=["a"]),
    ):
        with pytest.raises(CommandFailedError):
            options.check()


def test_a_change_is_told_in_json_without_the_side_on_which_the_field_is_missing() -> None:
    assert EditedField(pointer="/a", before=ABSENT, after=1).as_json() == {"field": "/a", "to": 1}
    assert EditedField(pointer="/a", before=1, after=ABSENT).as_json() == {"field": "/a", "from": 1}


def test_the_advice_for_bytes_that_fail_again_is_an_edit_of_the_wrong_field() -> None:
    letter = a_letter(REQUESTED, value=an_order(mode="WEEKLY"), code="INVALID_EVENT", detail="run.mode is wrong")
    advice = advise(letter, is_event=False)
    assert advice.startswith(SAME_BYTES)
    assert f"southbound dlq redrive {letter.id} --set /run/mode=VALUE --dry-run" in advice
    assert f"southbound dlq show {letter.id} --event > event.json" in advice
    unknown = a_letter(
        REQUESTED, value=an_order(), code="INVALID_EVENT", detail="run.x[0].y is not a known field\nmore"
    )
    assert "--remove /run/x/0/y --dry-run" in advise(unknown, is_event=False)
    odd = a_letter(REQUESTED, value=an_order(), code="INVALID_EVENT", detail="run.'; rm -rf / is wrong")
    assert "--set /FIELD=VALUE" in advise(odd, is_event=False)
    assert "rm -rf" not in advise(odd, is_event=False)


def test_the_advice_for_bytes_that_are_no_json_is_an_edit_of_the_bytes() -> None:
    advice = advise(a_letter(value=b'{"run": {"run_id"', code="UNDECODABLE"), is_event=False)
    assert "--edit value --raw" in advice
    assert "--set" not in advice


def test_the_advice_for_an_event_whose_cause_can_be_repaired_is_a_plain_redrive() -> None:
    letter = a_letter(REQUESTED, value=an_order(), code="NO_ROW_MATCHES")
    advice = advise(letter, is_event=True)
    assert SAME_BYTES not in advice
    assert f"southbound dlq redrive {letter.id}\n" in advice
    assert "produce event.json" in advise(a_letter(value=an_order(), code="WRONG_TOPIC"), is_event=True)


@given(
    value=st.binary() | OBJECTS.map(lambda each: json.dumps(each).encode()),
    code=st.sampled_from(["X", "INVALID_EVENT"]),
)
def test_there_is_advice_for_any_value(value: bytes, code: str) -> None:
    letter = a_letter(REQUESTED, value=value, code=code)
    assert f"southbound dlq drop {letter.id}" in advise(letter, is_event=False)
