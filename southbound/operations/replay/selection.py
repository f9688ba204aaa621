"""Which records a replay is about."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

from consumers.runtime.kafka.offset_range import LOG_END, OffsetRange
from southbound.exit_codes import invalid_input
from southbound.operations.dlq.letter_filter import full_topic_name, parse_moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumers.runtime.kafka.partition_reader import PartitionReader
    from schemas.topics import TopicNames

MAX_VALUES = 100  # of one option; they are noted with every transaction
MAX_LENGTH = 500  # characters of a value
_OFFSETS = re.compile(r"([0-9]{1,18})-([0-9]{1,18})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionOptions:
    """The options of the command line that choose records, as they were written."""

    topics: Sequence[str] = ()
    since: str | None = None
    until: str | None = None
    partition: int | None = None
    offsets: str | None = None
    keys: Sequence[str] = ()
    runs: Sequence[str] = ()
    every: bool = False

    def is_empty(self) -> bool:
        """Return whether nothing is chosen."""
        return self == SelectionOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is chosen. `topics` are full names in the order of reading; one that ends with a dot is a prefix.

    `first_offset` and `last_offset` are of one partition of one topic.
    """

    topics: tuple[str, ...]
    since: datetime | None = None
    until: datetime | None = None
    partition: int | None = None
    first_offset: int = 0
    last_offset: int | None = None
    keys: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    def has_time(self, moment: datetime) -> bool:
        """Return whether a moment is in the chosen period."""
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)

    def as_json(self) -> dict[str, object]:
        """Return it for the note of a replay; what is not chosen is left out."""
        values = {name: value for name, value in asdict(self).items() if value not in (None, ())}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def read_selection(content: Mapping[str, object]) -> Selection:
    """Return the selection that `as_json` wrote.

    Raises:
        ValueError, KeyError, TypeError: it is something else.
    """

    def texts(name: str) -> tuple[str, ...]:
        return tuple(map(str, cast("list[object]", content.get(name, ()))))

    def moment(name: str) -> datetime | None:
        return datetime.fromisoformat(str(content[name])) if name in content else None

    def number(name: str) -> int | None:
        return int(str(content[name])) if name in content else None

    return Selection(
        topics=texts("topics"),
        since=moment("since"),
        until=moment("until"),
        partition=number("partition"),
        first_offset=number("first_offset") or 0,
        last_offset=number("last_offset"),
        keys=texts("keys"),
        runs=texts("runs"),
    )


def make_selection(options: SelectionOptions, names: TopicNames, now: datetime, *, re_emit: bool) -> Selection:
    """Return the selection for options.

    Raises:
        CommandFailedError: with every mistake in them.
    """
    mistakes: list[str] = []
    topics = _topics(options, names, mistakes, re_emit=re_emit)
    since = _moment(options.since, "--since", now, mistakes)
    until = _moment(options.until, "--until", now, mistakes)
    if since and until and since >= until:
        mistakes.append(f"--since {options.since} is not before --until {options.until}: nothing lies between them")
    first, last = _offsets(options, topics, mistakes)
    _check_values(options, mistakes)
    narrowed = (options.since, options.until, options.partition, options.offsets, *options.keys, *options.runs)
    if not options.every and not any(each is not None for each in narrowed):
        mistakes.append("choose records with --since, --until, --partition, --offsets, --key or --run, or use --all")
    if mistakes:
        raise invalid_input(mistakes)
    return Selection(
        topics=topics,
        since=since,
        until=until,
        partition=options.partition,
        first_offset=first,
        last_offset=last,
        keys=tuple(options.keys),
        runs=tuple(options.runs),
    )


def _topics(options: SelectionOptions, names: TopicNames, mistakes: list[str], *, re_emit: bool) -> tuple[str, ...]:
    if re_emit:
        order: tuple[str, ...] = (names.inflight, names.results)
        chosen = {full_topic_name(topic, names): topic for topic in options.topics or ("inflight", "results")}
        known = "there are inflight and results"
    else:
        order = (names.lifecycle, names.dispatch(""), names.inbound)
        chosen = {full_topic_name(topic, names): topic for topic in options.topics}
        known = "there are lifecycle, dispatch, dispatch.SPOKE and inbound"
        if not chosen:
            mistakes.append("--topic is needed: lifecycle, dispatch, dispatch.SPOKE or inbound")
    for name, written in chosen.items():
        if not any(name == one or (one[-1] == "." and name.startswith(one)) for one in order):
            published = not re_emit and name in {names.inflight, names.results}
            advice = "; --re-emit publishes its records again" if published else ""
            verb = "re-emitted" if re_emit else "read by the gateway"
            mistakes.append(f"--topic {written}: it is not {verb}; {known}{advice}")
    return tuple(sorted(chosen, key=lambda name: (_rank(name, order), name)))


def _rank(name: str, order: Sequence[str]) -> int:
    return next((index for index, one in enumerate(order) if name.startswith(one)), len(order))


def _moment(text: str | None, option: str, now: datetime, mistakes: list[str]) -> datetime | None:
    try:
        return parse_moment(text, now) if text is not None else None
    except ValueError as error:
        mistakes.append(f"{option}: {error}")
        return None


def _offsets(options: SelectionOptions, topics: Sequence[str], mistakes: list[str]) -> tuple[int, int | None]:
    is_one = len(topics) == 1 and not topics[0].endswith(".")
    if (options.partition is not None or options.offsets is not None) and not is_one:
        mistakes.append("--partition and --offsets are of one topic: name it with one --topic")
    if options.offsets is None:
        return 0, None
    if options.partition is None:
        mistakes.append("--offsets are of one partition: name it with --partition")
    found = _OFFSETS.fullmatch(options.offsets)
    first, last = (int(found[1]), int(found[2]) if found[2] else None) if found else (0, None)
    if found is None:
        mistakes.append(f"--offsets {options.offsets}: write the first and the last, such as 120-250, or 120-")
    elif last is not None and last < first:
        mistakes.append(f"--offsets {options.offsets}: the last is before the first")
    return first, last


def _check_values(options: SelectionOptions, mistakes: list[str]) -> None:
    for option, values in (("--key", options.keys), ("--run", options.runs), ("--topic", options.topics)):
        if len(values) > MAX_VALUES:
            mistakes.append(f"{option} is given {len(values):,} times: at most {MAX_VALUES} are possible")
        if any(not value or len(value) > MAX_LENGTH for value in values):
            mistakes.append(f"{option}: a value is empty or has more than {MAX_LENGTH} characters")


def plan_ranges(selection: Selection, reader: PartitionReader) -> list[OffsetRange]:
    """Return where the chosen records can be, up to the present ends, without empty ranges.

    Raises:
        CommandFailedError: there is no such topic, partition or offset.
        PartitionReadError: Kafka does not answer.
    """
    known = sorted(reader.topics())
    topics: list[str] = []
    for name in selection.topics:
        found = [one for one in known if one == name or (name[-1] == "." and one.startswith(name))]
        if not found:
            raise invalid_input([f"Kafka does not have the topic {name}{'*' if name[-1] == '.' else ''}"])
        topics += [one for one in found if one not in topics]
    return [one for topic in topics for one in _ranges_of(topic, selection, reader)]


def _ranges_of(topic: str, selection: Selection, reader: PartitionReader) -> list[OffsetRange]:
    present = {one.partition: one for one in reader.present_ranges(topic)}
    if selection.partition is not None and selection.partition not in present:
        raise invalid_input([f"{topic} has the partitions 0 to {len(present) - 1}, and no {selection.partition}"])
    if selection.since is not None:
        found = {one.partition: one for one in reader.ranges_since(topic, selection.since)}
        # Its end may be later than that of the first request.
        ranges = [OffsetRange(topic, n, one.start, present[n].end) for n, one in found.items() if n in present]
    else:
        ranges = list(present.values())
    ranges = [one for one in ranges if selection.partition in (None, one.partition)]
    narrowed = [_narrowed(one, selection) for one in ranges]
    if selection.first_offset or selection.last_offset is not None:
        _check_offsets(present, narrowed, selection)
    return [one for one in narrowed if one.length > 0]


def _narrowed(one: OffsetRange, selection: Selection) -> OffsetRange:
    end = selection.last_offset + 1 if selection.last_offset is not None else LOG_END
    return OffsetRange(one.topic, one.partition, max(one.start, selection.first_offset), min(one.end, end))


def _check_offsets(present: Mapping[int, OffsetRange], narrowed: Sequence[OffsetRange], selection: Selection) -> None:
    one = present[selection.partition or 0]
    if not any(each.length > 0 for each in narrowed):
        kept = f"has the offsets {one.start:,} to {one.end - 1:,}" if one.length else "is empty"
        raise invalid_input([f"partition {one.partition} of {one.topic} {kept}: none of the chosen ones is among them"])
