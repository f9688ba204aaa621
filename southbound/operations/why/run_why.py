"""Run `southbound why`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import orjson

from consumers.runtime.kafka.partition_reader import PartitionReadError
from consumers.runtime.kafka.readiness import KafkaNotReadyError, wait_for_kafka
from schemas.topics import TopicNames
from southbound.exit_codes import CommandFailedError, ExitCode, invalid_input, unreachable
from southbound.operations.console import print_json, print_result
from southbound.operations.explain_run import explanation_json, explanation_lines
from southbound.operations.kafka import make_envelope
from southbound.operations.run_views import status_sentences
from southbound.operations.runs import find_run, unknown_run_error
from southbound.operations.why.diagnosis import (
    Evidence,
    explain_partition,
    explain_run,
    explain_stored_run,
    explain_topics,
    explain_unknown_run,
    waits_for_records,
)
from southbound.operations.why.groups import WaitingRecords, consumed_topics, known_roles, read_topics
from southbound.operations.why.process import ask_process, health_url
from southbound.operations.why.report import evidence_json, why_report
from southbound.operations.why.streams import StreamTopics, read_source_groups, stream_topics
from southbound.service.kafka_settings import client_settings
from southbound.service.roles import ConsumedTopic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.runs.run import RequestRow, RunRow
    from southbound.operations.events.record_view import RecordView
    from southbound.settings.settings import Settings

    T = TypeVar("T")

MAX_WAIT = 1.0  # seconds for Kafka; its last request may take two more


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyOptions:
    """The options of `southbound why`."""

    run: str | None = None
    topic: str | None = None
    partition: int | None = None
    spoke: str | None = None
    url: str | None = None
    as_json: bool = False


def why(settings: Settings, options: WhyOptions) -> int:
    """Run `southbound why`.

    Raises:
        CommandFailedError: options contradict each other, there is no such run, topic or partition, or neither Kafka
            nor the run store can be read.
    """
    _check(options)
    if options.run is not None:
        return _why_run(settings, options, options.run)
    return _why_topics(settings, options)


def _check(options: WhyOptions) -> None:
    given = [name for name in ("run", "topic", "spoke") if getattr(options, name) is not None]
    if len(given) > 1:
        raise invalid_input([f"{' and '.join(given)}: name one of RUN, --topic and --spoke"])
    if options.partition is not None and options.topic is None:
        raise invalid_input(["--partition: name its topic with --topic"])


# Topics and partitions


def _why_topics(settings: Settings, options: WhyOptions) -> int:
    kafka = _Kafka(settings)
    try:
        evidence = kafka.evidence(options, kafka.topics(options))
    except (KafkaNotReadyError, PartitionReadError) as error:
        raise unreachable(str(error)) from None
    answer = _topics_answer(evidence, options)
    notes = [*kafka.notes, *_process_notes(evidence)]
    lines, stored = _runs_of(settings, evidence, notes)
    if options.as_json:
        _print_json({"answer": answer, **evidence_json(evidence), "runs": stored, "notes": notes})
    else:
        print_result(why_report(answer, evidence, notes, lines))
    return ExitCode.SUCCESS


def _topics_answer(evidence: Evidence, options: WhyOptions) -> str:
    if options.partition is None:
        return explain_topics(evidence)
    partitions = evidence.waiting or [partition for topic in evidence.topics for partition in topic.partitions]
    return explain_partition(partitions[0], evidence)


def _runs_of(settings: Settings, evidence: Evidence, notes: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return what the run store has of the run of the oldest record, as lines and as JSON."""
    record = evidence.first_of(evidence.waiting[0]) if evidence.waiting else None
    if record is None or record.run_id is None:
        return [], {}
    try:
        row, _ = find_run(settings, record.run_id)
    except CommandFailedError as error:
        notes.append(f"The run store was not read: {' '.join(error.sentences)}")
        return [], {}
    if row is None:
        return [f"{record.run_id} is not in the run store"], {}
    sentences = status_sentences(row)
    return [f"{row.run_id} is in phase {row.phase}", *(f"  {line}" for line in sentences)], {row.run_id: sentences}


def _process_notes(evidence: Evidence) -> list[str]:
    process, waiting = evidence.process, evidence.waiting
    if not waiting or waiting[0].holder is None:
        return []  # no process could know more
    if process.problem:
        return [f"Attempts and retries are not known: {process.problem}"]
    if process.partition(waiting[0].place) is None and process.report:
        where = f"process {process.report.pid} on {process.report.host}, which was asked, does not hold"
        return [f"Attempts and retries are not known: {where} {waiting[0].name}; name another address with --url"]
    return []


# Runs


def _why_run(settings: Settings, options: WhyOptions, run_id: str) -> int:
    unknown = unknown_run_error(run_id)
    try:
        row, request = find_run(settings, run_id)
    except CommandFailedError as error:
        row, request, unknown = None, None, error
    if row is not None and not waits_for_records(row):
        return _print_run(row, request, explain_stored_run(row), None, [], options)
    kafka = _Kafka(settings)
    try:
        evidence, records, complete = kafka.records_of(options, _keys(kafka.names, row, run_id), key=_root(row, run_id))
    except (KafkaNotReadyError, PartitionReadError) as error:
        if row is None:
            raise unknown from None
        notes = [f"Its records are not known: {error}"]
        return _print_run(row, request, explain_stored_run(row), None, notes, options)
    if row is None and not records:
        raise unknown
    if row is None:
        return _print_unknown_run(run_id, records, evidence, options)
    notes = _process_notes(evidence) if records else []
    if not complete:
        notes.append("More records wait than were searched for those of this run")
    answer = explain_run(row, records, evidence, complete=complete)
    return _print_run(row, request, answer, evidence, notes, options)


def _root(row: RunRow | None, run_id: str) -> str:
    return row.root_run_id if row else run_id


def _keys(names: TopicNames, row: RunRow | None, run_id: str) -> dict[str, str]:
    """Return the topics on which records of a run may wait, with the key of these records."""
    keys = {names.lifecycle: _root(row, run_id)}
    if row is not None and row.spoke:
        keys[names.dispatch(row.spoke)] = row.root_run_id
        if row.external_id:
            keys[names.inbound] = f"{row.spoke}:{row.external_id}"
    return keys


def _print_run(
    row: RunRow,
    request: RequestRow | None,
    answer: str,
    evidence: Evidence | None,
    notes: Sequence[str],
    options: WhyOptions,
) -> int:
    if options.as_json:
        found = evidence_json(evidence) if evidence else {}
        _print_json({"answer": answer, **explanation_json(row, request), **found, "notes": [*notes]})
    else:
        print_result(why_report(answer, evidence, notes, explanation_lines(row, request)))
    return ExitCode.SUCCESS


def _print_unknown_run(run_id: str, records: Sequence[RecordView], evidence: Evidence, options: WhyOptions) -> int:
    answer, notes = explain_unknown_run(run_id, records[0], evidence), _process_notes(evidence)
    if options.as_json:
        _print_json({"answer": answer, "run": run_id, **evidence_json(evidence), "notes": notes})
    else:
        print_result(why_report(answer, evidence, notes))
    return ExitCode.SUCCESS


def _print_json(value: dict[str, object]) -> None:
    print_json(orjson.dumps(value).decode())


class _Kafka:
    """Reads from Kafka, and asks the process, what a question needs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.names = TopicNames(settings.kafka.prefix)
        self.streams = StreamTopics()
        self.notes: list[str] = []

    def topics(self, options: WhyOptions) -> list[ConsumedTopic]:
        """Return the topics that a question is about.

        Raises:
            KafkaNotReadyError: Kafka does not answer.
            PartitionReadError: the same.
            CommandFailedError: there is no such topic.
        """
        self._wait()
        streams = self._read_streams()
        known = [*self._known(), *(group.consumed for group in streams.sources)]
        wanted = f"dispatch.{options.spoke}" if options.spoke is not None else options.topic
        if wanted is None:
            return known
        found = [each for each in known if wanted in {each.topic, each.role, _short(each.topic, self.names)}]
        if not found:
            names = ", ".join(dict.fromkeys(_short(each.topic, self.names) for each in known))
            raise invalid_input([f"No role consumes a topic {wanted}: there are {names or 'none'}"])
        return found

    def evidence(self, options: WhyOptions, consumed: Sequence[ConsumedTopic], key: str | None = None) -> Evidence:
        """Return what is known of these topics.

        Raises:
            KafkaNotReadyError: Kafka does not answer.
            PartitionReadError: records cannot be read.
            CommandFailedError: there is no such partition.
        """
        of_sources = [group for group in self.streams.sources if group.consumed in consumed]
        remote = {group.consumed for group in of_sources}
        own = read_topics(self._settings, [each for each in consumed if each not in remote])
        topics = [*own, *read_source_groups(self._settings, of_sources, self.notes)]
        if of_sources and not topics:
            raise unreachable(*self.notes)
        if options.partition is not None:
            topics = [topic.only(options.partition) for topic in topics]
            if not topics[0].partitions:
                raise invalid_input([f"--partition {options.partition}: {topics[0].topic} has no such partition"])
        # What other systems produce on other clusters is no event of Southbound.
        first = self._reader().first_of_each(
            [topic for topic in topics if ConsumedTopic(topic.topic, topic.role) not in remote]
        )
        process = ask_process(options.url or health_url(self._settings.health), key)
        return Evidence(
            now=datetime.now(UTC),
            topics=topics,
            first=first,
            process=process,
        )

    def records_of(
        self, options: WhyOptions, keys: Mapping[str, str], *, key: str
    ) -> tuple[Evidence, list[RecordView], bool]:
        """Return what is known of the topics of a run, its unfinished records, and whether these are all.

        Raises:
            KafkaNotReadyError: Kafka does not answer.
            PartitionReadError: records cannot be read.
        """
        self._wait()
        known = self._known()
        evidence = self.evidence(options, [each for each in known if each.topic in keys], key)
        partitions = [partition for topic in evidence.topics for partition in topic.partitions]
        records, complete = self._reader().of_keys(partitions, keys)
        return evidence, records, complete

    def _known(self) -> list[ConsumedTopic]:
        # What was redriven has a reader in both.
        return [*dict.fromkeys((*consumed_topics(self._settings, self.names), *self.streams.own))]

    def _read_streams(self) -> StreamTopics:
        settings = self._settings
        if settings.streams.sources is not None or settings.streams.destinations is not None:
            self.streams = stream_topics(settings, known_roles(settings), self.names)
            self.notes += self.streams.notes
        return self.streams

    def _wait(self) -> None:
        kafka = client_settings(self._settings.kafka)
        asyncio.run(wait_for_kafka(kafka, (), max_wait=MAX_WAIT, on_reason=lambda _: None))

    def _reader(self) -> WaitingRecords:
        envelope = asyncio.run(make_envelope(self._settings, "/southbound/why"))
        return WaitingRecords(self._settings, envelope, self.names)


def _short(topic: str, names: TopicNames) -> str:
    return topic.removeprefix(f"{names.prefix}testrun.")
