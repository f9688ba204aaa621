"""Find the sentence that says why a partition or a run makes no progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.runs.transitions import COMMANDED_PHASES, ENDED_PHASES
from schemas.text.counts import count_noun
from schemas.vocabulary import Phase
from southbound.operations.events.event_summary import run_id_of
from southbound.operations.run_views import format_time, phase_since, status_sentences
from southbound.service.roles import Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from router.runs.run import RunRow
    from southbound.operations.events.record_view import RecordView
    from southbound.operations.why.groups import PartitionPlace, PartitionView, TopicView
    from southbound.operations.why.process import ProcessView
    from southbound.service.lanes_report import PartitionReport

_SECONDS_PER_UNIT = (("d", 86_400), ("h", 3_600), ("min", 60))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known at `now`: of Kafka the topics and the first unfinished records, and what a process answered."""

    now: datetime
    topics: Sequence[TopicView]
    first: Mapping[PartitionPlace, RecordView]
    process: ProcessView

    @property
    def waiting(self) -> list[PartitionView]:
        """The partitions with unfinished records, the one with the oldest record first."""
        found = [partition for topic in self.topics for partition in topic.partitions if partition.waiting]
        return sorted(found, key=lambda p: (self._time(p), p.topic, p.number))

    def topic(self, name: str) -> TopicView:
        """Return one of the topics."""
        return next(topic for topic in self.topics if topic.topic == name)

    def first_of(self, partition: PartitionView) -> RecordView | None:
        """Return the first unfinished record of a partition."""
        return self.first.get(partition.place)

    def topic_of(self, partition: PartitionView) -> TopicView:
        """Return the topic of a partition, of its group."""
        wanted = partition.role, partition.topic
        return next(topic for topic in self.topics if (topic.role, topic.topic) == wanted)

    def _time(self, partition: PartitionView) -> float:
        record = self.first_of(partition)
        return record.at.timestamp() if record else self.now.timestamp()


def explain_topics(evidence: Evidence) -> str:
    """Return the sentence for all topics: nothing waits, or why the oldest record does."""
    waiting = evidence.waiting
    if not waiting:
        names = ", ".join(dict.fromkeys(topic.topic for topic in evidence.topics))
        return f"Nothing waits: every record of {names} is finished."
    sentence = explain_partition(waiting[0], evidence)
    if len(waiting) == 1:
        return sentence
    records = count_noun(sum(partition.waiting for partition in waiting), "record")
    return f"{records} wait on {len(waiting)} partitions. The oldest: {sentence}"


def explain_partition(partition: PartitionView, evidence: Evidence) -> str:
    """Return the sentence that says why a partition makes no progress."""
    if not partition.waiting:
        return f"Nothing waits on {partition.name}: every record below offset {partition.end} is finished."
    if owner := explain_owner(partition, evidence.topic_of(partition)):
        return f"{_describe_first(partition, evidence)}, because {owner}"
    held = evidence.process.partition(partition.place)
    if held is not None:
        return _explain_held(partition, held, evidence)
    return f"{_describe_first(partition, evidence)}, and {_describe_holder(partition)}."


def explain_owner(partition: PartitionView, topic: TopicView) -> str:
    """Return why nobody serves a partition; empty if somebody does, or if that is not known."""
    members = topic.members
    if members.problem or partition.holder is not None:
        return ""
    if not members.members:
        return f"no process serves its partition: group {members.group} has no members. Start {start_command(topic)}."
    none = f"none of the {len(members.members)} members of group {members.group} holds"
    if len(members.members) == 1:
        none = f"the only member of group {members.group} does not hold"
    return f"{none} its partition: the group is {members.state or 'rebalancing'}."


def start_command(topic: TopicView) -> str:
    """Return the command that starts the role of a topic."""
    role, _, rest = topic.role.partition(".")
    return f"`southbound run {role} --spoke {rest}`" if role == Role.DISPATCH.value else f"`southbound run {role}`"


def _explain_held(partition: PartitionView, held: PartitionReport, evidence: Evidence) -> str:
    worker = evidence.process.worker_of(partition.place)
    if worker is not None and worker.shut:
        return f"{_describe_first(partition, evidence)}: {worker.shut}."
    if held.oldest is not None:
        return f"{held.oldest.sentence.rstrip('.')}."
    if worker is not None and worker.unready:
        return f"{_describe_first(partition, evidence)}: {worker.unready}."
    if held.paused:
        return f"{_describe_first(partition, evidence)}, and is not read yet: the intake of its partition is paused."
    return f"{_describe_first(partition, evidence)}, and is being read."


def _describe_first(partition: PartitionView, evidence: Evidence) -> str:
    record = evidence.first_of(partition)
    if record is None:
        return f"{partition.name} waits at offset {partition.frontier}"
    return f"{describe_record(record)} has waited for {describe_age(evidence.now, record.at)}"


def _describe_holder(partition: PartitionView) -> str:
    if partition.holder is None:
        return "it is not known who holds its partition"
    return f"{partition.name} is held by {partition.holder.client_id} at {partition.holder.host}"


def describe_record(record: RecordView) -> str:
    """Return what a record is and where."""
    place = f"{record.topic}[{record.partition}] offset {record.offset}"
    if isinstance(record.event, str):
        return f"a record that cannot be decoded ({place})"
    return f"the {type(record.event.data).__name__} of {run_id_of(record.event.data)} ({place})"


def describe_age(now: datetime, moment: datetime) -> str:
    """Return how long ago a moment is."""
    seconds = max(0.0, (now - moment).total_seconds())
    unit = next(((name, size) for name, size in _SECONDS_PER_UNIT if seconds >= 2 * size), None)
    return f"{seconds / unit[1]:.0f} {unit[0]}" if unit else f"{seconds:.0f} s"


# Runs


def waits_for_records(row: RunRow) -> bool:
    """Return whether records of a run may be unfinished: it has not ended, and no person has to act first."""
    return row.phase not in {*ENDED_PHASES, Phase.FALLOUT}


def explain_stored_run(row: RunRow) -> str:
    """Return the sentence for a run of which no record waits, or of which nothing else is known."""
    status = status_sentences(row)[0]
    verb = "has ended" if row.phase in ENDED_PHASES else "does not move"
    return f"{row.run_id} {verb}: {status}."


def explain_run(row: RunRow, records: Sequence[RecordView], evidence: Evidence, *, complete: bool) -> str:
    """Return why a run makes no progress.

    `records` are those of its key that are not finished; `complete`: these are all of them.
    """
    if records:
        return f"{row.run_id} does not move: {_explain_record(records[0], len(records) - 1, evidence)}"
    if complete and row.phase in COMMANDED_PHASES:
        return (
            f"{row.run_id} does not move: it is in phase {row.phase} since {format_time(phase_since(row))}, and no"
            " command waits for it. The role routing publishes its command again a day after its last update."
        )
    return explain_stored_run(row)


def explain_unknown_run(run_id: str, record: RecordView, evidence: Evidence) -> str:
    """Return why a run that is not in the run store is not there yet: its event waits."""
    return f"{run_id} is not in the run store yet: {_explain_record(record, 0, evidence)}"


def _explain_record(record: RecordView, behind: int, evidence: Evidence) -> str:
    """Return why the first unfinished record of a key waits."""
    topic = evidence.topic(record.topic)
    partition = next(p for p in topic.partitions if p.number == record.partition)
    more = f" ({count_noun(behind, 'more record')} of its root wait behind it)" if behind else ""
    waits = f"{describe_record(record)} has waited for {describe_age(evidence.now, record.at)}{more}"
    if owner := explain_owner(partition, topic):
        return f"{waits}, because {owner}"
    worker = evidence.process.worker_of(partition.place)
    if worker is not None and worker.shut:
        return f"{waits}: {worker.shut}."
    if lane := evidence.process.lane(record.topic):
        return f"{lane.sentence.rstrip('.')}{more}."
    held = evidence.process.partition(partition.place)
    if held is not None:
        return f"{waits}, and was not read yet: {count_noun(record.offset - partition.frontier, 'offset')} before it."
    return f"{waits}, and {_describe_holder(partition)}."
