"""Filters choose what they say, and a redriven record is the original with a mark."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.config import WorkerConfig
from consumers.runtime.dead_letters import Attempts, build_dead_letter, redrive_count
from consumers.runtime.handler import Partition, Record
from schemas.codec.codec import Codec
from schemas.lifecycle import RunCancelled
from schemas.problem import Problem
from schemas.topics import TopicNames
from southbound.exit_codes import CommandFailedError
from southbound.operations.dlq.letter import MASKED, Letter, LetterId, read_letter, shown_header
from southbound.operations.dlq.letter_filter import LetterFilter, LetterOptions, make_filter, parse_moment
from southbound.operations.dlq.letter_status import ClosedLetters, LetterClosure, LetterState, status_message
from southbound.operations.dlq.redriven_message import RedriveMark, is_redrivable, redriven_message

NAMES = TopicNames("acme.")
AVRO = Codec()
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
MARK = RedriveMark(redrive="redrive-1", by="ann", at=NOON)
HEADERS = st.lists(st.tuples(st.text(min_size=1), st.none() | st.binary()), max_size=6).map(tuple)
CODES, CLASSES, SPOKES = ("X", "IN_DOUBT"), ("routing", "dispatch"), ("", "fibre-lab", "radio-lab")
TOPICS = (NAMES.lifecycle, NAMES.inbound, NAMES.dispatch("fibre-lab"), NAMES.dispatch("radio-lab"))


class ConsumedMessage:
    """A consumed record, as far as `read_letter` reads it."""

    def __init__(
        self, headers: tuple[tuple[str, bytes | None], ...], key: bytes | None, value: bytes | None, offset: int = 5
    ) -> None:
        self._content = headers, key, value, offset

    def headers(self) -> list[tuple[str, bytes | None]]:
        """Return the headers."""
        return list(self._content[0])

    def key(self) -> bytes | None:
        """Return the key."""
        return self._content[1]

    def value(self) -> bytes | None:
        """Return the value."""
        return self._content[2]

    def partition(self) -> int:
        """Return the partition."""
        return 2

    def offset(self) -> int:
        """Return the offset."""
        return self._content[3]

    def timestamp(self) -> tuple[int, int]:
        """Return the kind of the timestamp and milliseconds since 1970."""
        return 1, int(NOON.timestamp() * 1000)


def a_letter(
    headers: tuple[tuple[str, bytes | None], ...] = (),
    *,
    key: bytes | None = b"TR0001",
    value: bytes | None = b"v",
    topic: str = NAMES.lifecycle,
    **why: str,
) -> Letter:
    """Return a dead letter as it is read from its topic."""
    record = Record(Partition(topic=topic, number=3, epoch=1), 9, key, value, headers, 0)
    attempts = Attempts(count=1, first_at=NOON - timedelta(hours=1), last_at=NOON)
    config = WorkerConfig(role="routing", group="g", dead_letter_topic=NAMES.dlq)
    message = build_dead_letter(record, Problem(code="X", sentence="It failed."), attempts, config)
    letter = read_letter(ConsumedMessage(message.headers, message.key, message.value), NAMES)  # type: ignore[arg-type] # as far as it is read
    return replace(letter, why={**letter.why, **why})


@given(HEADERS, st.none() | st.binary(), st.none() | st.binary())
def test_bytes_key_and_headers_of_a_redriven_record_are_those_of_the_original(
    headers: tuple[tuple[str, bytes | None], ...], key: bytes | None, value: bytes | None
) -> None:
    message = redriven_message(a_letter(headers, key=key, value=value), MARK)
    assert (message.topic, message.key, message.value) == (NAMES.lifecycle, key, value)
    assert message.headers[: len(headers)] == headers


@given(HEADERS, st.integers(1, 6))
def test_a_record_that_is_redriven_again_and_again_has_one_mark_with_the_count_and_the_first_time(
    headers: tuple[tuple[str, bytes | None], ...], times: int
) -> None:
    letter = a_letter(headers)
    lengths = set()
    for n in range(1, times + 1):
        message = redriven_message(letter, MARK)
        assert redrive_count(message.headers) == n
        assert dict(message.headers)["southbound-redrive-first-time"] == b"2026-11-29T11:00:00.000+00:00"
        lengths.add(len(message.headers))
        letter = a_letter(message.headers)
        assert (letter.redrives, letter.first_time) == (n, "2026-11-29T11:00:00.000+00:00")
    assert len(lengths) == 1


def test_a_redriven_record_says_who_when_and_of_which_dead_letter() -> None:
    headers = dict(redriven_message(a_letter(), MARK).headers)
    assert headers["southbound-replay"] == b"redrive-1"
    assert headers["southbound-redrive-by"] == b"ann"
    assert headers["southbound-redrive-time"] == b"2026-11-29T12:00:00.000+00:00"
    assert headers["southbound-redrive-of"] == b"2-5"


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        (NAMES.lifecycle, True),
        (NAMES.dispatch("x"), True),
        (NAMES.inbound, True),
        (NAMES.results, True),  # by the roles `hub` and `writeback`
        (NAMES.store, False),
        ("", False),
    ],
)
def test_only_records_of_topics_that_are_consumed_can_be_redriven(topic: str, expected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert is_redrivable(a_letter(topic=topic), NAMES) is expected


SOME = st.sets


@given(
    st.builds(
        LetterFilter,
        codes=SOME(st.sampled_from(CODES)).map(frozenset),
        classes=SOME(st.sampled_from(CLASSES)).map(frozenset),
        spokes=SOME(st.sampled_from(SPOKES)).map(frozenset),
        topics=SOME(st.sampled_from([*TOPICS, NAMES.dispatch("")])).map(frozenset),
    ),
    st.sampled_from(CODES),
    st.sampled_from(CLASSES),
    st.sampled_from(SPOKES),
    st.sampled_from(TOPICS),
)
def test_a_filter_chooses_what_matches_one_value_of_each_criterion(
    chosen: LetterFilter, code: str, error_class: str, spoke: str, topic: str
) -> None:
    letter = replace(a_letter(topic=topic, code=code, spoke=spoke), error_class=error_class)
    matches = (
        (not chosen.codes or code in chosen.codes)
        and (not chosen.classes or error_class in chosen.classes)
        and (not chosen.spokes or spoke in chosen.spokes)
        and (
            not chosen.topics
            or topic in chosen.topics
            or (NAMES.dispatch("") in chosen.topics and topic.startswith("acme.testrun.dispatch."))
        )
    )
    assert chosen.matches(letter) == matches


@pytest.mark.parametrize(
    ("letter", "source"),
    [
        (a_letter((("ce_source", b"/orders"),)), "/orders"),
        (a_letter((("CE_Source", b"/orders"), ("content-type", b"text/plain"))), "/orders"),
        (a_letter(value=b'{"specversion": "1.0", "type": "t", "source": "/desk", "data": {}}'), "/desk"),
        (a_letter((("content-type", b"application/cloudevents+json"),), value=b"{broken"), ""),
        (a_letter(value=None), ""),
    ],
)
def test_a_filter_by_source_finds_what_a_producer_sent(letter: Letter, source: str) -> None:
    assert letter.source == source
    assert LetterFilter(sources=frozenset({"/desk", "/orders"})).matches(letter) is bool(source)
    assert not LetterFilter(sources=frozenset({"/other"})).matches(letter)


@pytest.mark.parametrize(
    ("letter", "expected"),
    [
        (a_letter(key=b"TR1"), True),
        (a_letter(key=b"k", value=b'{"run_id": "TR1"}'), True),
        (a_letter(key=b"k", run="TR1"), True),
        (a_letter(key=b"TR11", value=b"TR1-1 and XTR1"), False),
        (a_letter(key=None, value=None), False),
    ],
)
def test_a_filter_by_run_finds_the_id_as_a_whole(letter: Letter, expected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert LetterFilter(runs=frozenset({"TR1"})).matches(letter) is expected


@given(st.integers(1, 60), st.integers(1, 60))
def test_a_filter_by_run_finds_an_id_that_only_an_avro_value_has(size: int, parent_size: int) -> None:
    run, parent = "R" * size, "P" * parent_size
    event = RunCancelled(run_id=run, root_run_id=parent)
    letter = a_letter(key=b"k", value=AVRO.encode(event))
    assert LetterFilter(runs=frozenset({run})).matches(letter)
    assert LetterFilter(runs=frozenset({parent})).matches(letter)
    assert not LetterFilter(runs=frozenset({f"{run}-x", f"x-{parent}"})).matches(letter)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", NOON - timedelta(minutes=90)),
        ("2026-11-28", datetime(2026, 11, 28, tzinfo=UTC)),
        ("2026-11-28T08:00+02:00", datetime(2026, 11, 28, 6, tzinfo=UTC)),
    ],
)
def test_a_time_is_a_duration_before_now_or_a_date(text: str, expected: datetime) -> None:
    assert parse_moment(text, NOON) == expected


def test_every_wrong_option_is_named_at_once() -> None:
    options = LetterOptions(ids=["one"], classes=["odd"], since="yesterday", until="0m")
    with pytest.raises(CommandFailedError) as failed:
        make_filter(options, NAMES, NOON)
    said = "\n".join(failed.value.sentences)
    assert all(text in said for text in ("'one' is not the id", "--class odd", "--since: 'yesterday'", "--until: '0m'"))


@given(st.text(), st.text())
def test_any_text_as_an_option_is_a_filter_or_a_sentence(text: str, time: str) -> None:
    try:
        chosen = make_filter(LetterOptions(ids=[text], topics=["lifecycle"], since=time), NAMES, NOON)
    except CommandFailedError as failed:
        assert failed.sentences  # noqa: PT017 - both are allowed
    else:
        assert len(chosen.ids) == 1


@given(st.integers(0, 10**8), st.integers(0, 10**17))
def test_an_id_is_read_as_it_is_written(partition: int, offset: int) -> None:
    assert LetterId.parse(str(LetterId(partition, offset))) == (partition, offset)


CLOSURES = st.builds(
    LetterClosure,
    state=st.sampled_from([LetterState.REDRIVEN, LetterState.DROPPED]),
    by=st.text(),
    at=st.just(NOON),
    comment=st.text(),
    redrive=st.text(),
    edited=st.text(),
)


@given(CLOSURES)
def test_what_became_of_a_dead_letter_is_read_as_it_was_written(closure: LetterClosure) -> None:
    letter, closed = a_letter(), ClosedLetters()
    message = status_message(NAMES.dlq_status, letter, closure)
    closed.add(message.key, message.value)
    assert closed.closure_of(letter) == closure


@given(st.none() | st.binary(), st.none() | st.binary() | st.just(b'{"state": "dropped", "at": 1}'))
def test_a_record_that_says_nothing_about_a_dead_letter_closes_none(key: bytes | None, value: bytes | None) -> None:
    closed = ClosedLetters()
    closed.add(key, value)
    closed.add(b"2-5", value)
    assert closed.state_of(a_letter()) is LetterState.OPEN


def test_letters_of_a_topic_that_was_made_anew_are_open_although_their_offsets_were_closed() -> None:
    letter, closed = a_letter(), ClosedLetters()
    message = status_message(NAMES.dlq_status, letter, LetterClosure(state=LetterState.DROPPED, by="ann", at=NOON))
    closed.add(message.key, message.value)
    assert closed.state_of(replace(letter, timestamp_ms=letter.timestamp_ms + 1)) is LetterState.OPEN


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "Set-Cookie", "client_secret", "ACCESS_TOKEN"])
def test_the_value_of_a_header_that_is_named_like_a_credential_is_not_shown(name: str) -> None:
    assert shown_header(name, b"geheim") == MASKED
    assert shown_header("ce_id", b"E1") == "E1"


def test_records_at_the_same_place_of_a_topic_that_was_made_anew_are_two_records() -> None:
    assert a_letter(value=b"v").record_digest == a_letter(value=b"v").record_digest
    others = [a_letter(value=b"w"), a_letter(value=None), a_letter(key=b"k"), a_letter(timestamp="7")]
    assert len({one.record_digest for one in (a_letter(), *others)}) == 5
