"""Run `southbound dlq redrive` and `southbound dlq drop`."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from consumers.hold.held_letters import HeldRelease
from schemas.codec.printable import printable
from schemas.text.counts import count_noun
from southbound.exit_codes import ExitCode, invalid_input
from southbound.operations.console import print_json, print_status, print_text
from southbound.operations.dlq.close_letters import ClosedLetter, LetterCloser
from southbound.operations.dlq.dlq_topic import open_dlq
from southbound.operations.dlq.letter import text_of
from southbound.operations.dlq.letter_status import ClosedLetters, LetterClosure, LetterState
from southbound.operations.dlq.redriven_message import (
    RedriveMark,
    edited_bytes,
    edited_event,
    held_release,
    is_redrivable,
    redrive_topic,
    redriven_message,
)
from southbound.operations.input_file import MAX_INPUT_BYTES, read_input
from southbound.operations.kafka import make_envelope
from southbound.operations.publishing.authorship import author_name, checked_comment
from southbound.operations.publishing.transaction_batches import open_writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consumers.runtime.kafka.offset_range import OffsetRange
    from southbound.operations.dlq.dlq_topic import DeadLetterTopic
    from southbound.operations.dlq.letter import Letter
    from southbound.operations.dlq.letter_filter import LetterOptions
    from southbound.operations.dlq.redriven_message import EditedRecord
    from southbound.settings.settings import Settings

_MAX_NAMED = 10  # ids in one sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseOptions:
    """The options of `redrive` and `drop` besides those that choose dead letters."""

    every: bool = False
    dry_run: bool = False
    author: str | None = None
    comment: str = ""
    rate: float | None = None
    max_redrives: int = 3
    edit: Path | None = None
    raw: bool = False
    as_json: bool = False


@dataclass(slots=True, kw_only=True)
class _Selection:
    """What the chosen dead letters are, counted before any of them is closed."""

    redrive: bool
    max_redrives: int
    count: int = 0
    looping: int = 0  # were redriven too often
    foreign: int = 0  # came from no topic of Southbound
    named: dict[str, list[str]] = field(default_factory=dict)

    def accepts(self, letter: Letter, topic: DeadLetterTopic) -> bool:
        """Return whether a dead letter may be closed."""
        return self._objection(letter, topic) is None

    def note(self, letter: Letter, topic: DeadLetterTopic) -> None:
        """Count a dead letter."""
        objection = self._objection(letter, topic)
        if objection is None:
            self.count += 1
            return
        if objection == "looping":
            self.looping += 1
        else:
            self.foreign += 1
        ids = self.named.setdefault(objection, [])
        if len(ids) < _MAX_NAMED:
            ids.append(str(letter.id))

    def refusals(self) -> list[str]:
        """Return a sentence for each reason why dead letters stay."""
        sentences = []
        if self.looping:
            failed = (
                f"{count_noun(self.looping, 'dead letter')} failed again after {self.max_redrives} or more redrives"
            )
            remedy = "repair the cause first, then use a higher --max-redrives, or drop"
            sentences.append(f"{failed} ({self._ids('looping', self.looping)}): {remedy}")
        if self.foreign:
            came = f"{count_noun(self.foreign, 'dead letter')} came from no topic that Southbound reads"
            remedy = "they cannot be redriven; drop them, or publish their events with `southbound produce`"
            sentences.append(f"{came} ({self._ids('foreign', self.foreign)}): {remedy}")
        return sentences

    def _objection(self, letter: Letter, topic: DeadLetterTopic) -> str | None:
        if not self.redrive:
            return None
        if not is_redrivable(letter, topic.names) or redrive_topic(letter, topic.names) not in topic.partitions:
            return "foreign"
        return "looping" if letter.redrives >= self.max_redrives else None

    def _ids(self, objection: str, count: int) -> str:
        ids = self.named[objection]
        return ", ".join(ids) + (" …" if count > len(ids) else "")


def redrive_letters(settings: Settings, chosen: LetterOptions, options: CloseOptions) -> int:
    """Run `southbound dlq redrive`.

    Raises:
        CommandFailedError: an option is wrong, Kafka does not answer, or no chosen dead letter may be redriven.
    """
    closure = _make_closure(LetterState.REDRIVEN, options)
    return _close(settings, chosen, options, replace(closure, redrive=f"redrive-{uuid4()}"))


def drop_letters(settings: Settings, chosen: LetterOptions, options: CloseOptions) -> int:
    """Run `southbound dlq drop`.

    Raises:
        CommandFailedError: an option is wrong, or Kafka does not answer.
    """
    return _close(settings, chosen, options, _make_closure(LetterState.DROPPED, options))


def _make_closure(state: LetterState, options: CloseOptions) -> LetterClosure:
    by = author_name(options.author)
    return LetterClosure(state=state, by=by, at=datetime.now(UTC), comment=checked_comment(options.comment))


def _close(settings: Settings, chosen: LetterOptions, options: CloseOptions, closure: LetterClosure) -> int:
    if chosen.is_empty() and not options.every:
        raise invalid_input(["choose dead letters by their ids or with a filter, or use --all for every open one"])
    with open_dlq(settings, chosen) as topic:
        writer = None if options.dry_run else open_writer(settings, topic.names.dlq_status, topic.partitions)
        # Only now no other command can close one unseen.
        closed, ranges = topic.read_closed(), topic.ranges()
        selection = _Selection(
            redrive=closure.state is LetterState.REDRIVEN,
            max_redrives=options.max_redrives,
        )
        for letter in topic.letters(closed, ranges):
            selection.note(letter, topic)
        edited = _read_edited(settings, topic, options, closed, ranges, selection) if options.edit else None
        for sentence in selection.refusals() if selection.count else ():
            print_status(f"not redriven: {sentence}")
        if not selection.count:
            return _nothing_to_do(selection)
        closing = _closing(topic, closed, ranges, selection, closure, edited)
        if writer is None:
            return _show_plan(closing, closure, options)
        closer = LetterCloser(
            writer=writer, topic=topic.names.dlq_status, closure=closure, rate=options.rate, total=selection.count
        )
        return _run(closer, closing, options)


def _nothing_to_do(selection: _Selection) -> int:
    if refusals := selection.refusals():
        raise invalid_input(refusals)
    print_status("no open dead letter is chosen; `southbound dlq list --all` also shows the closed ones")
    return ExitCode.SUCCESS


def _closing(
    topic: DeadLetterTopic,
    closed: ClosedLetters,
    ranges: Sequence[OffsetRange],
    selection: _Selection,
    closure: LetterClosure,
    edited: EditedRecord | None,
) -> Iterator[ClosedLetter]:
    mark = RedriveMark(redrive=closure.redrive, by=closure.by, at=closure.at)
    records: set[bytes] = set()
    for letter in topic.letters(closed, ranges):
        if not selection.accepts(letter, topic):
            continue
        held_at = letter.held_at
        if not selection.redrive:
            dropped = HeldRelease(place=held_at, redrives=letter.redrives, is_dropped=True) if held_at else None
            yield ClosedLetter(letter, release=dropped)
            continue
        if letter.record_digest in records:
            # A worker that was killed after a dead letter, and before its commit, writes a second one of the record.
            yield ClosedLetter(letter)
            continue
        records.add(letter.record_digest)
        if held_at:
            yield ClosedLetter(letter, release=held_release(letter, held_at, mark, edited))
            continue
        goes_to = redrive_topic(letter, topic.names) or letter.topic
        message = redriven_message(letter, mark, edited, topic=goes_to)
        # Producers of other languages choose partitions in other ways: where the key was, its later records are.
        is_back = goes_to == letter.topic and letter.partition in topic.partitions[goes_to]
        known = is_back and message.key == letter.key
        yield ClosedLetter(letter, message, letter.partition if known else None)


def _run(closer: LetterCloser, closing: Iterator[ClosedLetter], options: CloseOptions) -> int:
    by_topic: Counter[str] = Counter()

    def on_closed(one: ClosedLetter) -> None:
        by_topic[_goes_to(one)] += 1
        if options.as_json:
            print_json(_as_json(one, closer.closure), flush=True)

    try:
        closer.close_all(closing, on_closed)
    except KeyboardInterrupt:
        print_status(f"interrupted: {closer.so_far()}; run the same command again for the rest")
        raise
    for letter in closer.too_large:
        print_status(
            f"not redriven: {letter.id} does not fit on {letter.topic}: raise its max.message.bytes, then redrive it"
        )
    if not options.as_json:
        print_text(_summary(by_topic, closer.closure))
    return ExitCode.SUCCESS


def _summary(by_topic: Counter[str], closure: LetterClosure) -> str:
    total = count_noun(by_topic.total(), "dead letter")
    if closure.state is LetterState.DROPPED:
        return f"{total} dropped"
    repeated = by_topic.pop("", 0)
    to = ", ".join(f"{count:,} {topic}" for topic, count in sorted(by_topic.items()))
    to += f", {repeated:,} that repeat another one" if repeated else ""
    return f"{total} redriven as {closure.redrive}{': ' if to else ''}{to}"


def _goes_to(one: ClosedLetter) -> str:
    if one.release is not None:
        return f"where they wait in {one.release.place.topic}"
    return f"to {one.message.topic}" if one.message else ""


def _show_plan(closing: Iterator[ClosedLetter], closure: LetterClosure, options: CloseOptions) -> int:
    by_topic: Counter[str] = Counter()
    for one in closing:
        by_topic[_goes_to(one)] += 1
        if options.as_json:
            print_json(_as_json(one, closure))
        else:
            letter = one.letter
            what = f"{letter.id}  {letter.code}  {letter.run or text_of(letter.key) or '-'} {_goes_to(one)}"
            print_text(printable(what.rstrip()))
    print_status(
        f"dry run, nothing was written; without --dry-run: {_summary(by_topic, replace(closure, redrive='…'))}"
    )
    return ExitCode.SUCCESS


def _as_json(one: ClosedLetter, closure: LetterClosure) -> str:
    letter = one.letter
    to = {"to": one.message.topic, "redrive": closure.redrive} if one.message else {}
    return json.dumps({"id": str(letter.id), "state": closure.state, "code": letter.code, "run": letter.run, **to})


def _read_edited(
    settings: Settings,
    topic: DeadLetterTopic,
    options: CloseOptions,
    closed: ClosedLetters,
    ranges: Sequence[OffsetRange],
    selection: _Selection,
) -> EditedRecord | None:
    if selection.count + selection.looping + selection.foreign != 1:
        raise invalid_input([f"--edit is for one dead letter, and {selection.count:,} are chosen: name its id"])
    letter = next(topic.letters(closed, ranges))
    file = str(options.edit)
    if options.raw:
        return edited_bytes(letter, _read_bytes(Path(file)))
    text, name = read_input(file, "a file with one event")
    envelope = asyncio.run(make_envelope(settings, "/southbound/dlq"))
    return edited_event(letter, text, name, envelope, topic.names)


def _read_bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_INPUT_BYTES + 1)
    except OSError as error:
        raise invalid_input([f"{file}: cannot be read ({error.strerror}): name a file with the new value"]) from None
    if len(content) > MAX_INPUT_BYTES:
        raise invalid_input([f"{file}: has more than {MAX_INPUT_BYTES:,} bytes: no topic takes such a record"])
    return content
