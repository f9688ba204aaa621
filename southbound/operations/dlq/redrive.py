"""Run `southbound dlq redrive` and `southbound dlq drop`."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from consumers.hold.held_letters import HeldRelease
from schemas.codec.printable import printable
from schemas.text.counts import count_noun
from southbound.exit_codes import ExitCode, invalid_input
from southbound.operations.console import print_json, print_status, print_text
from southbound.operations.dlq.close_letters import ClosedLetter, LetterCloser
from southbound.operations.dlq.dlq_topic import open_dlq
from southbound.operations.dlq.edits.edit_letters import EditOptions, leave_unedited, make_edit
from southbound.operations.dlq.letter import text_of
from southbound.operations.dlq.letter_status import ClosedLetters, LetterClosure, LetterState
from southbound.operations.dlq.redrive_selection import LetterSelection
from southbound.operations.dlq.redriven_message import RedriveMark, held_release, redrive_topic, redriven_message
from southbound.operations.dlq.table_check import TableCheck
from southbound.operations.publishing.authorship import author_name, checked_comment
from southbound.operations.publishing.transaction_batches import open_writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consumers.runtime.kafka.offset_range import OffsetRange
    from southbound.operations.dlq.dlq_topic import DeadLetterTopic
    from southbound.operations.dlq.edits.edit_letters import EditedLetter
    from southbound.operations.dlq.letter import Letter
    from southbound.operations.dlq.letter_filter import LetterOptions
    from southbound.settings.settings import Settings

_MAX_SHOWN_EDITS = 5  # dead letters whose changes a dry run shows
_MAX_SHOWN_CHANGES = 20  # different changes that a dry run counts one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseOptions:
    """The options of `redrive` and `drop` besides those that choose dead letters."""

    every: bool = False
    dry_run: bool = False
    author: str | None = None
    comment: str = ""
    rate: float | None = None
    max_redrives: int = 3
    edit: EditOptions = field(default_factory=EditOptions)
    as_json: bool = False


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
    options.edit.check()
    with open_dlq(settings, chosen) as topic:
        writer = None if options.dry_run else open_writer(settings, topic.names.dlq_status, topic.partitions)
        # Only now no other command can close one unseen.
        closed, ranges = topic.read_closed(), topic.ranges()
        selection = _count(settings, topic, closed, ranges, closure, options)
        for sentence in selection.refusals() if selection.count else ():
            print_status(f"not redriven: {sentence}")
        if not selection.count:
            return _nothing_to_do(selection)
        closing = _closing(topic, closed, ranges, selection, closure)
        if writer is None:
            return _show_plan(settings, closing, closure, options)
        closer = LetterCloser(
            writer=writer, topic=topic.names.dlq_status, closure=closure, rate=options.rate, total=selection.count
        )
        return _run(closer, closing, options)


def _count(
    settings: Settings,
    topic: DeadLetterTopic,
    closed: ClosedLetters,
    ranges: Sequence[OffsetRange],
    closure: LetterClosure,
    options: CloseOptions,
) -> LetterSelection:
    """Return what the chosen dead letters are. One that is edited from a file has to be the only one."""
    edit = make_edit(settings, options.edit, topic.names)
    selection = LetterSelection(
        redrive=closure.state is LetterState.REDRIVEN,
        max_redrives=options.max_redrives,
        edit=leave_unedited if options.edit.is_of_one else edit,
    )
    for letter in topic.letters(closed, ranges):
        selection.note(letter, topic)
    if options.edit.is_of_one and selection.chosen != 1:
        sentence = (
            f"--edit is for one dead letter, and {selection.chosen:,} are chosen: name its id, or change fields of many"
            " with --set"
        )
        raise invalid_input([sentence])
    selection.edit = edit
    return selection


def _nothing_to_do(selection: LetterSelection) -> int:
    if refusals := selection.refusals():
        raise invalid_input(refusals)
    print_status("no open dead letter is chosen; `southbound dlq list --all` also shows the closed ones")
    return ExitCode.SUCCESS


def _closing(
    topic: DeadLetterTopic,
    closed: ClosedLetters,
    ranges: Sequence[OffsetRange],
    selection: LetterSelection,
    closure: LetterClosure,
) -> Iterator[ClosedLetter]:
    mark = RedriveMark(redrive=closure.redrive, by=closure.by, at=closure.at)
    records: set[bytes] = set()
    for letter in topic.letters(closed, ranges):
        is_accepted, edited = selection.accept(letter, topic)
        if not is_accepted:
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
        yield _redriven(letter, topic, replace(mark, edited=edited.mark) if edited else mark, edited)


def _redriven(letter: Letter, topic: DeadLetterTopic, mark: RedriveMark, edited: EditedLetter | None) -> ClosedLetter:
    record = edited.record if edited else None
    if held_at := letter.held_at:
        return ClosedLetter(letter, release=held_release(letter, held_at, mark, record), edited=edited)
    goes_to = redrive_topic(letter, topic.names) or letter.topic
    message = redriven_message(letter, mark, record, topic=goes_to)
    # Producers of other languages choose partitions in other ways: where the key was, its later records are.
    is_back = goes_to == letter.topic and letter.partition in topic.partitions[goes_to]
    known = is_back and message.key == letter.key
    return ClosedLetter(letter, message, letter.partition if known else None, edited=edited)


@dataclass(slots=True)
class _ClosedCounts:
    """How many dead letters were closed: by where their records go, and how many of them were edited."""

    by_place: Counter[str] = field(default_factory=Counter)
    edited: int = 0
    by_change: Counter[str] = field(default_factory=Counter)  # the first different ones
    other_changes: int = 0

    def add(self, one: ClosedLetter) -> None:
        self.by_place[_goes_to(one)] += 1
        if one.edited is not None:
            self.edited += 1
            self._add_changes(one.edited)

    def _add_changes(self, edited: EditedLetter) -> None:
        for change in edited.changes:
            line = change.as_line()
            if line in self.by_change or len(self.by_change) < _MAX_SHOWN_CHANGES:
                self.by_change[line] += 1
            else:
                self.other_changes += 1

    def changes(self) -> Iterator[str]:
        """Yield one line for each different change, the most frequent first: an unexpected old value is seen."""
        for line, count in self.by_change.most_common():
            yield f"{count:,} times {line}"
        if self.other_changes:
            yield f"{self.other_changes:,} times other changes: `--json` shows each"

    def summary(self, closure: LetterClosure) -> str:
        total = count_noun(self.by_place.total(), "dead letter")
        if closure.state is LetterState.DROPPED:
            return f"{total} dropped"
        to = [f"{count:,} {place}" for place, count in sorted(self.by_place.items()) if place]
        repeated = [f"{count:,} that repeat another one" for count in [self.by_place[""]] if count]
        edited = f", {self.edited:,} of them edited" if self.edited else ""
        return f"{total} redriven as {closure.redrive}{edited}{': ' if to else ''}{', '.join((*to, *repeated))}"


def _run(closer: LetterCloser, closing: Iterator[ClosedLetter], options: CloseOptions) -> int:
    counts = _ClosedCounts()

    def on_closed(one: ClosedLetter) -> None:
        counts.add(one)
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
        print_text(counts.summary(closer.closure))
    return ExitCode.SUCCESS


def _goes_to(one: ClosedLetter) -> str:
    if one.release is not None:
        return f"where they wait in {one.release.place.topic}"
    return f"to {one.message.topic}" if one.message else ""


def _show_plan(
    settings: Settings, closing: Iterator[ClosedLetter], closure: LetterClosure, options: CloseOptions
) -> int:
    counts, tables = _ClosedCounts(), TableCheck(settings=settings)
    for one in closing:
        counts.add(one)
        decided = tables.line_of(one) if closure.state is LetterState.REDRIVEN else ""
        if options.as_json:
            print_json(_as_json(one, closure, decided))
        else:
            _print_plan(one, decided, with_changes=counts.edited <= _MAX_SHOWN_EDITS)
    for line in () if options.as_json else counts.changes():
        print_text(line)
    planned = f"without --dry-run: {counts.summary(replace(closure, redrive='…'))}"
    now = f"; {summary}" if (summary := tables.summary()) else ""
    print_status(f"dry run, nothing was written; {planned}{now}")
    return ExitCode.SUCCESS


def _print_plan(one: ClosedLetter, decided: str, *, with_changes: bool) -> None:
    letter = one.letter
    what = f"{letter.id}  {letter.code}  {letter.run or text_of(letter.key) or '-'} {_goes_to(one)}"
    print_text(printable(f"{what.rstrip()}{f': {decided}' if decided else ''}"))
    if one.edited is not None and with_changes:
        for change in one.edited.changes:
            print_text(f"    {change.as_line()}")


def _as_json(one: ClosedLetter, closure: LetterClosure, decided: str = "") -> str:
    letter, content = one.letter, dict[str, object]()
    content |= {"id": str(letter.id), "state": closure.state, "code": letter.code, "run": letter.run}
    if one.message:
        content |= {"to": one.message.topic, "redrive": closure.redrive}
    if one.edited:
        content |= {"edited": one.edited.mark, "changes": [change.as_json() for change in one.edited.changes]}
    return json.dumps({**content, **({"tables_now": decided} if decided else {})})
