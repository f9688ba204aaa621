"""Run `southbound replay` for records and for notifications: choose, show or publish, and resume."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from consumers.runtime.kafka.partition_reader import PartitionReader, PartitionReadError
from consumers.store.migrate import SchemaError
from consumers.store.port import StoreUnavailableError, UnstorableError
from producers.publisher import Message
from schemas.codec.cloudevents import REPLAY_ID_PREFIX
from schemas.codec.printable import printable
from schemas.partition_keys import key_of, topic_of
from schemas.text.counts import count_noun
from schemas.topics import TopicNames
from southbound.exit_codes import ExitCode, invalid_input, unreachable
from southbound.operations.console import print_json, print_status, print_text
from southbound.operations.kafka import make_envelope, wait_until_reachable
from southbound.operations.publishing.authorship import author_name, checked_comment
from southbound.operations.publishing.transaction_batches import open_writer
from southbound.operations.replay.dry_run import make_forecaster, print_forecasts
from southbound.operations.replay.record_items import RecordChooser, record_items, records_of, report_keys_of
from southbound.operations.replay.replay_note import ReplayKind, ReplayNote, newest_notes
from southbound.operations.replay.replay_writer import ReplayItem, ReplayWriter
from southbound.operations.replay.selection import SelectionOptions, make_selection, plan_ranges
from southbound.operations.replay.store_reader import open_store_reader
from southbound.operations.replay.stored_items import stored_items
from southbound.service.kafka_settings import standalone_consumer_settings

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from schemas.codec.envelope import Envelope, Event
    from southbound.operations.replay.selection import Selection
    from southbound.settings.settings import Settings

SOURCE = "/southbound/replay"
NEWEST = "last"  # as the id of the replay that is resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """The options of a replay of records or notifications."""

    chosen: SelectionOptions = field(default_factory=SelectionOptions)
    re_emit: bool = False
    from_store: bool = False
    dry_run: bool = False
    resume: str | None = None
    rate: float | None = None
    author: str | None = None
    comment: str = ""
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gateway:
    """What a replay reads and writes."""

    settings: Settings
    names: TopicNames
    reader: PartitionReader
    topics: Container[str]
    envelope: Envelope

    def to_message(self, event: Event) -> Message:
        """Return the record of an event."""
        value, headers = self.envelope.encode(event)
        return Message(topic_of(self.names, event.data), key_of(event.data).encode(), value, headers)


def replay_records(settings: Settings, options: ReplayOptions) -> int:
    """Publish recorded events again, or show what that would do.

    Raises:
        CommandFailedError: an option is wrong, there is nothing to resume, or Kafka or the run store does not answer.
    """
    names = TopicNames(settings.kafka.prefix)
    started = None if options.resume else _start(options, names)
    asyncio.run(wait_until_reachable(settings))
    envelope = asyncio.run(make_envelope(settings, SOURCE))
    try:
        with PartitionReader(standalone_consumer_settings(settings.kafka)) as reader:
            gateway = _Gateway(settings=settings, names=names, reader=reader, topics=reader.topics(), envelope=envelope)
            return _replay(gateway, options, started)
    except (PartitionReadError, StoreUnavailableError) as error:
        raise unreachable(str(error)) from None
    except (SchemaError, UnstorableError) as error:
        raise invalid_input([str(error)]) from None


def _start(options: ReplayOptions, names: TopicNames) -> ReplayNote:
    """Return the note of a new replay, of which it is not known yet where its records are."""
    now = datetime.now(UTC)
    selection = make_selection(options.chosen, names, now, re_emit=options.re_emit)
    if options.from_store and (selection.partition is not None or not options.re_emit):
        raise invalid_input(["--from-store belongs to --re-emit, without --partition and --offsets"])
    kinds = {True: ReplayKind.STORED if options.from_store else ReplayKind.NOTIFICATIONS, False: ReplayKind.RECORDS}
    return ReplayNote(
        id=f"{REPLAY_ID_PREFIX}{uuid4()}",
        kind=kinds[options.re_emit],
        by=author_name(options.author),
        at=now,
        comment=checked_comment(options.comment),
        selection=selection,
    )


def _replay(gateway: _Gateway, options: ReplayOptions, started: ReplayNote | None) -> int:
    if options.dry_run:
        note = _planned(gateway, started) if started else _resumed(gateway, options.resume or "")
        return _show(gateway, note, options)
    writer = open_writer(gateway.settings, gateway.names.replay, gateway.topics)
    # Only now no other replay can move on unseen.
    note = _planned(gateway, started) if started else _resumed(gateway, options.resume or "")
    replay = ReplayWriter(writer=writer, topic=gateway.names.replay, note=note, rate=options.rate)
    verb = "resumed" if options.resume else "started"
    print_status(f"{note.id} is {verb}; if it is interrupted, `southbound replay --resume {note.id}` goes on")
    try:
        _publish(gateway, replay)
    except KeyboardInterrupt:
        print_status(f"interrupted: {replay.so_far()}")
        raise
    _print_summary(replay, options)
    return ExitCode.SUCCESS


def _planned(gateway: _Gateway, note: ReplayNote) -> ReplayNote:
    if note.kind is ReplayKind.STORED:
        return note
    ranges = plan_ranges(note.selection, gateway.reader)
    return replace(note, ranges=tuple(ranges), total=sum(one.length for one in ranges))


def _resumed(gateway: _Gateway, id_: str) -> ReplayNote:
    topic = gateway.names.replay
    ranges = gateway.reader.present_ranges(topic) if topic in gateway.topics else []
    notes = newest_notes((record.key(), record.value()) for record in gateway.reader.records(ranges))
    if id_ == NEWEST:
        left = [note for note in notes.values() if not note.is_complete]
        if not left:
            raise invalid_input(["--resume last: every replay is complete"])
        return left[-1]
    if id_ not in notes:
        raise invalid_input([f"--resume {id_}: there is no such replay; `--resume last` resumes the newest one"])
    if notes[id_].is_complete:
        raise invalid_input([f"--resume {id_}: it is complete; start another replay to publish the same again"])
    return notes[id_]


def _publish(gateway: _Gateway, replay: ReplayWriter) -> None:
    note = replay.note
    if note.kind is ReplayKind.STORED:
        with open_store_reader(gateway.settings) as store:
            forgotten = Counter[str]()
            replay.publish_all(stored_items(store, note, gateway.to_message, forgotten.update), None)
        _print_forgotten(forgotten)
        return
    chooser = _chooser(gateway, note.selection)
    replay.publish_all(record_items(gateway.reader, note, chooser), note.left)
    _print_copies(chooser)


def _print_forgotten(counts: Counter[str]) -> None:
    if count := counts.total():
        print_status(
            f"the store does not have what was published last about {count_noun(count, 'run')}, as after a rebuild: of"
            " these, only the results of ended runs are published; without --from-store, all that the topics have"
        )


def _print_copies(chooser: RecordChooser) -> None:
    if chooser.copies:
        print_status(
            f"left out: {count_noun(chooser.copies, 'record')} that an earlier replay published; what they are copies"
            " of is chosen instead, as far as its topic has it"
        )


def _chooser(gateway: _Gateway, selection: Selection) -> RecordChooser:
    keys: frozenset[bytes] = frozenset()
    if selection.runs and gateway.names.inbound in selection.topics:
        with open_store_reader(gateway.settings) as store:
            keys = report_keys_of(selection.runs, store)
    return RecordChooser(selection=selection, envelope=gateway.envelope, names=gateway.names, report_keys=keys)


def _show(gateway: _Gateway, note: ReplayNote, options: ReplayOptions) -> int:
    if note.kind is ReplayKind.RECORDS:
        chooser = _chooser(gateway, note.selection)
        with open_store_reader(gateway.settings) as store:
            forecaster = make_forecaster(gateway.settings, store, gateway.envelope)
            records = filter(chooser.accepts, records_of(gateway.reader, note.ranges))
            counts = print_forecasts(forecaster.forecast_all(records), as_json=options.as_json)
        _print_copies(chooser)
        found = ", ".join(f"{count:,} {effect}" for effect, count in counts.items())
        total = count_noun(counts.total(), "record")
    elif note.kind is ReplayKind.STORED:
        with open_store_reader(gateway.settings) as store:
            forgotten = Counter[str]()
            items = stored_items(store, note, gateway.to_message, forgotten.update)
            found, total = _show_items(items, options)
        _print_forgotten(forgotten)
    else:
        chooser = _chooser(gateway, note.selection)
        found, total = _show_items(record_items(gateway.reader, note, chooser), options)
        _print_copies(chooser)
    print_status(f"dry run, nothing was written; without --dry-run: {total} published{f': {found}' if found else ''}")
    return ExitCode.SUCCESS


def _show_items(items: Iterable[ReplayItem], options: ReplayOptions) -> tuple[str, str]:
    counts: dict[str, int] = {}
    for item in items:
        for message in item.messages:
            counts[message.topic] = counts.get(message.topic, 0) + 1
            headers = {name: (value or b"").decode(errors="replace") for name, value in message.headers}
            facts = {"from": item.origin, "to": message.topic, "type": headers.get("ce_type", "")}
            facts |= {"id": headers.get("ce_id", ""), "run": headers.get("ce_subject", "")}
            if options.as_json:
                print_json(json.dumps(facts))
            else:
                print_text(printable("  ".join(filter(None, facts.values()))))
    return ", ".join(f"{count:,} {topic}" for topic, count in counts.items()), count_noun(
        sum(counts.values()), "record"
    )


def _print_summary(replay: ReplayWriter, options: ReplayOptions) -> None:
    note = replay.note
    if replay.too_large:
        more = f" and {replay.too_large_count - len(replay.too_large):,} more"
        named = ", ".join(replay.too_large) + (more if replay.too_large_count > len(replay.too_large) else "")
        print_status(f"not published, because they do not fit on their topic with the mark: {named}")
    if options.as_json:
        facts = {
            "replay": note.id,
            "by": note.by,
            "published": dict(note.published),
            "too_large": replay.too_large_count,
        }
        print_json(json.dumps(facts))
        return
    to = ", ".join(f"{count:,} {topic}" for topic, count in sorted(note.published.items()))
    print_text(f"{count_noun(note.published_count, 'record')} published as {note.id}{f': {to}' if to else ''}")
