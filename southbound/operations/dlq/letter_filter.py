"""Which dead letters a command is about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from consumers.dead_letter_subject import DeadLetterClass
from schemas.codec.avro_encode import avro_string
from southbound.exit_codes import invalid_input
from southbound.operations.backtest.compare import parse_duration
from southbound.operations.dlq.letter import LetterId

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from schemas.topics import TopicNames
    from southbound.operations.dlq.letter import Letter


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterOptions:
    """The options of the command line that choose dead letters, as they were written."""

    ids: Sequence[str] = ()
    codes: Sequence[str] = ()
    classes: Sequence[str] = ()
    spokes: Sequence[str] = ()
    topics: Sequence[str] = ()
    sources: Sequence[str] = ()
    runs: Sequence[str] = ()
    since: str | None = None
    until: str | None = None

    def is_empty(self) -> bool:
        """Return whether they choose every dead letter."""
        return self == LetterOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Chooses dead letters: each criterion that has values must have a matching one."""

    ids: frozenset[LetterId] = frozenset()
    codes: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    spokes: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()  # full names; one that ends with a dot is a prefix
    sources: frozenset[str] = frozenset()
    runs: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, letter: Letter) -> bool:
        """Return whether a dead letter is chosen."""
        return (
            _has(self.ids, letter.id)
            and _has(self.codes, letter.code.upper())
            and _has(self.classes, letter.error_class)
            and _has(self.spokes, letter.spoke)
            and self._has_topic(letter.topic)
            and (not self.sources or letter.source in self.sources)
            and (not self.runs or any(mentions(letter, run) for run in self.runs))
            and (self.since is None or letter.at >= self.since)
            and (self.until is None or letter.at < self.until)
        )

    def _has_topic(self, topic: str) -> bool:
        return not self.topics or any(topic == one or (one[-1] == "." and topic.startswith(one)) for one in self.topics)


def mentions(letter: Letter, run: str) -> bool:
    """Return whether a dead letter is about a run: it says so, or its key or its value names the id.

    In Avro, the byte before a text is its length and the one after it belongs to the next field: both may look like
    characters of a longer id.
    """
    value = letter.value or b""
    if letter.run == run or letter.key == run.encode() or avro_string(run) in value:
        return True
    return bool(re.search(rb"(?<![\w-])" + re.escape(run.encode()) + rb"(?![\w-])", value))


def make_filter(options: LetterOptions, names: TopicNames, now: datetime) -> LetterFilter:
    """Return the filter for options.

    Raises:
        CommandFailedError: with every mistake in them.
    """
    mistakes: list[str] = []
    known = [one.value for one in DeadLetterClass]
    mistakes += [
        f"--class {one}: there is no such class; there are {', '.join(known)}"
        for one in options.classes
        if one not in known
    ]
    ids = [_parsed_id(text, mistakes) for text in options.ids]
    since, until = [
        _parsed_moment(text, option, now, mistakes)
        for text, option in ((options.since, "--since"), (options.until, "--until"))
    ]
    if mistakes:
        raise invalid_input(mistakes)
    return LetterFilter(
        ids=frozenset([one for one in ids if one is not None]),
        codes=frozenset([code.upper() for code in options.codes]),
        classes=frozenset(options.classes),
        spokes=frozenset(options.spokes),
        topics=frozenset([full_topic_name(topic, names) for topic in options.topics]),
        sources=frozenset(options.sources),
        runs=frozenset(options.runs),
        since=since,
        until=until,
    )


def parse_moment(text: str, now: datetime) -> datetime:
    """Read a moment: a duration before now, such as `2h`, or a date with or without a time, in UTC without a zone.

    Raises:
        ValueError: it is neither.
    """
    try:
        return now - parse_duration(text)
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"'{text}' is no time: write a duration before now, such as 90m or 2d, or 2026-11-29T08:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parsed_id(text: str, mistakes: list[str]) -> LetterId | None:
    try:
        return LetterId.parse(text)
    except ValueError as error:
        mistakes.append(str(error))
        return None


def _parsed_moment(text: str | None, option: str, now: datetime, mistakes: list[str]) -> datetime | None:
    try:
        return parse_moment(text, now) if text is not None else None
    except ValueError as error:
        mistakes.append(f"{option}: {error}")
        return None


def full_topic_name(topic: str, names: TopicNames) -> str:
    """Return the full name for a short one; `dispatch` stands for the topics of all spokes."""
    if topic == "dispatch":
        return names.dispatch("")
    if topic in {"lifecycle", "inbound", "inflight", "results"}:
        return str(getattr(names, topic))
    return names.dispatch(topic.removeprefix("dispatch.")) if topic.startswith("dispatch.") else topic


def _has(chosen: Collection[object], value: object) -> bool:
    return not chosen or value in chosen
