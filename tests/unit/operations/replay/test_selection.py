"""Which records a replay is about, and the sentence for each mistake in its options."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Message as ConsumedRecord
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.kafka.offset_range import OffsetRange
from router.runs.ids import event_id_at
from schemas.catalogue import ce_type_of
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.commands import SendRun
from schemas.lifecycle import RunCancelled
from schemas.topics import TopicNames
from southbound.exit_codes import CommandFailedError
from southbound.operations.replay.record_items import RecordChooser, is_copy, replayed_message
from southbound.operations.replay.replay_note import ReplayKind, ReplayMark, ReplayNote, newest_notes, read_note
from southbound.operations.replay.selection import Selection, SelectionOptions, make_selection, read_selection
from tests.builders.runs import NOON, SINGLE, a_document
from tests.harness.command_line import southbound

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = TopicNames("acme.")
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
TEXTS = st.text(min_size=1, max_size=12)
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - with zones
SELECTIONS = st.builds(
    Selection,
    topics=st.lists(TEXTS, max_size=3).map(tuple),
    since=st.none() | MOMENTS,
    until=st.none() | MOMENTS,
    partition=st.none() | st.integers(0, 99),
    first_offset=st.integers(0, 2**60),
    last_offset=st.none() | st.integers(0, 2**60),
    keys=st.lists(TEXTS, max_size=3).map(tuple),
    runs=st.lists(TEXTS, max_size=3).map(tuple),
)
RANGES = st.builds(OffsetRange, TEXTS, st.integers(0, 99), st.integers(0, 2**40), st.integers(2**40 + 1, 2**50))
NOTES = st.builds(
    ReplayNote,
    id=TEXTS,
    kind=st.sampled_from(ReplayKind),
    by=st.text(max_size=8),
    at=MOMENTS.map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)),
    comment=st.text(max_size=8),
    selection=SELECTIONS,
    ranges=st.lists(RANGES, max_size=4).map(tuple),
    last_run=st.text(max_size=8),
    total=st.integers(0, 2**40),
    published=st.dictionaries(TEXTS, st.integers(0, 2**40), max_size=3),
    is_complete=st.booleans(),
)


def select(**options: object) -> Selection:
    re_emit = bool(options.pop("re_emit", False))
    return make_selection(SelectionOptions(**options), NAMES, NOW, re_emit=re_emit)  # type: ignore[arg-type]


def mistakes(**options: object) -> str:
    with pytest.raises(CommandFailedError) as raised:
        select(**options)
    return "\n".join(raised.value.sentences)


def test_topics_are_read_in_the_order_in_which_events_follow_from_each_other() -> None:
    chosen = select(topics=("inbound", "dispatch.fibre-lab", "lifecycle"), since="2h")
    assert chosen.topics == ("acme.testrun.lifecycle", "acme.testrun.dispatch.fibre-lab", "acme.testrun.inbound")
    assert chosen.since == NOW - timedelta(hours=2)
    assert select(re_emit=True, runs=("TR1",)).topics == ("acme.testrun.inflight", "acme.testrun.results")


def test_offsets_include_the_last_one() -> None:
    chosen = select(topics=("lifecycle",), partition=3, offsets="120-250")
    assert (chosen.partition, chosen.first_offset, chosen.last_offset) == (3, 120, 250)
    assert select(topics=("lifecycle",), partition=3, offsets="120-").last_offset is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"since": "2h"}, "--topic is needed: lifecycle, dispatch"),
        ({"topics": ("lifecycle",)}, "choose records with --since"),
        ({"topics": ("results",), "every": True}, "--re-emit publishes its records again"),
        ({"topics": ("lifecycles",), "every": True}, "--topic lifecycles: it is not read by the gateway"),
        ({"topics": ("lifecycle",), "since": "yesterday"}, "--since: 'yesterday' is no time"),
        ({"topics": ("lifecycle",), "since": "1h", "until": "2h"}, "nothing lies between them"),
        ({"topics": ("lifecycle",), "offsets": "1-2"}, "name it with --partition"),
        ({"topics": ("dispatch",), "partition": 1}, "are of one topic"),
        ({"topics": ("lifecycle",), "partition": 1, "offsets": "7"}, "write the first and the last"),
        ({"topics": ("lifecycle",), "partition": 1, "offsets": "7-6"}, "the last is before the first"),
        ({"topics": ("lifecycle",), "runs": ("",)}, "--run: a value is empty"),
        ({"topics": ("lifecycle",), "keys": ("K",) * 101}, "--key is given 101 times"),
    ],
)
def test_each_mistake_has_a_sentence(options: dict[str, object], sentence: str) -> None:
    assert sentence in mistakes(**options)


def test_what_is_consumed_is_not_re_emitted() -> None:
    assert "it is not re-emitted; there are inflight and results" in mistakes(re_emit=True, topics=("lifecycle",))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--re-emit", "--resume", "last"], "choose one of --rebuild, --compare, --re-emit and --resume"),
        (["--rebuild", "--topic", "lifecycle"], "--rebuild takes no other option"),
        (["--rebuild", "--json"], "--rebuild takes no other option"),
        (["--compare", "--dry-run"], "--compare only --with and --json"),
        (["--topic", "lifecycle", "--all", "--with", "x"], "--with belongs to --compare"),
        (["--topic", "lifecycle", "--all", "--from-store"], "--from-store belongs to --re-emit"),
        (["--resume", "last", "--all"], "leave out other options"),
        (["--dry-run"], "--topic is needed"),
    ],
)
def test_options_that_do_not_belong_together_are_refused_before_kafka_is_asked(words: list[str], sentence: str) -> None:
    result = southbound("replay", *words, SOUTHBOUND_KAFKA__BOOTSTRAP="127.0.0.1:1")
    assert (result.exit_code, sentence in " ".join(result.output.split())) == (2, True), result.output


@given(SELECTIONS)
def test_a_selection_is_read_as_it_was_noted(selection: Selection) -> None:
    assert read_selection(selection.as_json()) == selection


@given(NOTES)
def test_a_note_is_read_as_it_was_written(note: ReplayNote) -> None:
    message = note.to_message("t")
    assert read_note(message.key, message.value) == note


@given(st.none() | st.binary(max_size=30), st.none() | st.binary(max_size=60))
def test_what_is_no_note_is_ignored(key: bytes | None, value: bytes | None) -> None:
    assert newest_notes([(key, value)]) == {}


# Which records are chosen


def a_note(id_: str = "replay-1") -> ReplayNote:
    selection = Selection(topics=("t",))
    return ReplayNote(id=id_, kind=ReplayKind.RECORDS, by="anna", at=NOON, comment="", selection=selection)


def a_record(run_id: str = "TR1", *, key: str | None = None, at: datetime = NOON, **headers: str) -> ConsumedRecord:
    document = a_document(run_id)
    command = SendRun(run=document, request_id="RQ", spoke="fibre-lab", decision=SINGLE)
    value, written = Envelope(Codec()).encode(Event(headers=EventHeaders(id="E1"), data=command))
    named = [(name.replace("_", "-"), text.encode()) for name, text in headers.items()]
    return consumed((key or run_id).encode(), value, (*written, *named), at=at)


def consumed(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]] = (), *, at: datetime = NOON
) -> ConsumedRecord:
    moment = (1, round(at.timestamp() * 1000))
    return ConsumedRecord(
        topic="t", partition=1, offset=5, key=key, value=value, headers=list(headers), timestamp=moment
    )


def chooser(**chosen: object) -> RecordChooser:
    selection = Selection(topics=("t",), **chosen)  # type: ignore[arg-type]
    return RecordChooser(selection=selection, envelope=Envelope(Codec()), names=NAMES, report_keys=frozenset([b"s:9"]))


@pytest.mark.parametrize("length", [1, 3, 24, 36])
def test_a_run_is_found_by_its_id_whatever_byte_stands_before_it(length: int) -> None:
    """In Avro that is the length of the id, which is a letter or a digit for some lengths."""
    run_id = ("TR" + "7" * 60)[:length]
    assert chooser(runs=(run_id,)).accepts(a_record(run_id, key="other"))
    assert not chooser(runs=(run_id,)).accepts(a_record(run_id + "0"))


def test_a_run_is_found_whose_id_json_may_spell_otherwise() -> None:
    value = b'{"run_id":"\\u00fc1","root_run_id":"R","reason":"x"}'
    headers = [("ce_type", ce_type_of(RunCancelled).encode()), ("content-type", b"application/json")]
    assert chooser(runs=("ü1",)).accepts(consumed(b"R", value, headers))
    assert not chooser(runs=("ü2",)).accepts(consumed(b"R", value, headers))


def test_reports_are_found_by_the_external_ids_of_the_run() -> None:
    assert chooser(runs=("TR9",)).accepts(a_record("TR1", key="s:9"))
    assert not chooser(runs=("TR9",)).accepts(a_record("TR1", key="s:8"))


def test_all_kinds_of_filters_must_match() -> None:
    record = a_record("TR1", at=NOON)
    assert chooser(keys=("TR1", "TR2"), since=NOON, until=NOON + timedelta(seconds=1)).accepts(record)
    assert not chooser(keys=("TR2",)).accepts(record)
    assert not chooser(since=NOON + timedelta(milliseconds=1)).accepts(record)
    assert not chooser(until=NOON).accepts(record)


def test_a_copy_is_left_out_and_what_followed_from_a_copy_is_not() -> None:
    mark = ReplayMark.of(a_note())
    copy = replayed_message(a_record(), mark)
    record = consumed(copy.key, copy.value, copy.headers)
    everything = chooser()
    assert not everything.accepts(record)
    assert everything.copies == 1
    assert everything.accepts(a_record(southbound_replay="replay-1"))
    assert not is_copy(a_record(southbound_replay="redrive-1", southbound_replay_of="t-1-5"))


def test_a_replayed_record_is_the_same_with_a_mark_of_the_last_replay() -> None:
    record = a_record(southbound_replay="redrive-1", southbound_redrive_count="2")
    message = replayed_message(record, ReplayMark.of(a_note("replay-2")))
    assert message[:3] == ("t", record.key(), record.value())
    headers = dict(message.headers)
    assert headers["southbound-redrive-count"] == b"2"  # it fails again as often as it may
    assert headers["southbound-replay"] == b"replay-2"
    assert (headers["southbound-replay-by"], headers["southbound-replay-of"]) == (b"anna", b"t-1-5")
    assert len([name for name, _ in message.headers if name == "southbound-replay"]) == 1


def test_an_event_without_an_id_keeps_the_one_that_its_place_gave_it() -> None:
    message = replayed_message(consumed(b"K", b"v"), ReplayMark.of(a_note()))
    assert dict(message.headers)["ce_id"] == event_id_at("t", 1, 5).encode()
