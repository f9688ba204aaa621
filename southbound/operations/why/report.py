"""Print why something makes no progress: one sentence, then what it follows from, on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from schemas.codec.printable import printable
from schemas.text.counts import count_noun
from southbound.operations.why.diagnosis import describe_age, describe_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from southbound.operations.why.diagnosis import Evidence
    from southbound.operations.why.groups import PartitionView, TopicView

MAX_ROWS = 12  # of a table, so that everything fits on one screen
MAX_RANGES = 6


def why_report(answer: str, evidence: Evidence | None, notes: Sequence[str], more: Sequence[str] = ()) -> Group:
    """Return the answer, tables of what Kafka and the process know, `more` lines, and what is not known."""
    parts: list[RenderableType] = [Text(printable(answer), style="bold")]
    if evidence is not None:
        parts += [Text(), _table(evidence), *_oldest(evidence)]
    if more:
        parts += [Text(), *(Text(printable(line)) for line in more)]
    if notes:
        parts += [Text(), *(Text(printable(note), style="dim") for note in notes)]
    return Group(*parts)


def _table(evidence: Evidence) -> Table:
    return _topics_table(evidence.topics) if len(evidence.topics) > 1 else _partitions_table(evidence)


def _topics_table(topics: Sequence[TopicView]) -> Table:
    table = Table("topic", "unfinished", "partitions", "members", box=None, pad_edge=False)
    for topic in sorted(topics, key=lambda topic: -topic.waiting)[:MAX_ROWS]:
        members = topic.members.problem or str(len(topic.members.members))
        table.add_row(_topic_name(topic, topics), f"{topic.waiting:,}", str(len(topic.partitions)), members)
    return table


def _topic_name(topic: TopicView, topics: Sequence[TopicView]) -> str:
    """Return the topic, with the role if several groups read it."""
    several = sum(other.topic == topic.topic for other in topics) > 1
    return f"{topic.topic} ({topic.role})" if several else topic.topic


def _partitions_table(evidence: Evidence) -> Table:
    table = Table("partition", "unfinished", "frontier", "end", "oldest", "held by", box=None, pad_edge=False)
    waiting = evidence.waiting
    others = [p for topic in evidence.topics for p in topic.partitions if p not in waiting]
    for partition in [*waiting, *others][:MAX_ROWS]:
        record = evidence.first_of(partition)
        table.add_row(
            partition.name,
            f"{partition.waiting:,}",
            str(partition.frontier),
            str(partition.end),
            describe_age(evidence.now, record.at) if record else "-",
            printable(_holder(partition)),
        )
    return table


def _oldest(evidence: Evidence) -> Iterator[RenderableType]:
    if not (waiting := evidence.waiting):
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _facts(waiting[0], evidence):
        table.add_row(Text(name, style="dim"), Text(printable(value)))
    yield Text()
    yield table


def _facts(partition: PartitionView, evidence: Evidence) -> Iterator[tuple[str, str]]:
    record = evidence.first_of(partition)
    yield "oldest record", describe_record(record) if record else f"{partition.name} offset {partition.frontier}"
    yield "finished above it", partition.problem or _ranges(partition)
    yield "held by", _holder(partition)
    held = evidence.process.partition(partition.place)
    if held is not None:
        yield (
            "in the process",
            f"{count_noun(held.buffered, 'record')} buffered, {held.running} in progress"
            + (", intake paused" if held.paused else "")
            + (", no room for more finished offsets" if held.crowded else ""),
        )
        if held.oldest is not None and held.oldest.problem:
            yield "last problem", f"{held.oldest.code}: {held.oldest.problem}"


def _ranges(partition: PartitionView) -> str:
    ranges = partition.finished.ranges
    if not ranges:
        return "nothing"
    shown = ", ".join(str(first) if end == first + 1 else f"{first}-{end - 1}" for first, end in ranges[:MAX_RANGES])
    more = f", … ({len(ranges)} ranges)" if len(ranges) > MAX_RANGES else ""
    return f"{count_noun(partition.finished_count, 'offset')}: {shown}{more}"


def _holder(partition: PartitionView) -> str:
    if (member := partition.holder) is None:
        return "-"
    return f"{member.client_id} at {member.host}" + (f" ({member.instance})" if member.instance else "")


def evidence_json(evidence: Evidence) -> dict[str, object]:
    """Return everything that is known, for other programs."""
    return {
        "topics": [_topic_json(topic, evidence) for topic in evidence.topics],
        "process": evidence.process.report.model_dump(mode="json") if evidence.process.report else None,
    }


def _topic_json(topic: TopicView, evidence: Evidence) -> dict[str, object]:
    return {
        "topic": topic.topic,
        "group": topic.members.group,
        "state": topic.members.state,
        "members": len(topic.members.members),
        "unfinished": topic.waiting,
        "partitions": [_partition_json(partition, evidence) for partition in topic.partitions],
    }


def _partition_json(partition: PartitionView, evidence: Evidence) -> dict[str, object]:
    record, holder = evidence.first_of(partition), partition.holder
    return {
        "partition": partition.number,
        "frontier": partition.frontier,
        "end": partition.end,
        "unfinished": partition.waiting,
        "finished": partition.finished.ranges,
        "holder": {"client_id": holder.client_id, "host": holder.host, "instance": holder.instance} if holder else None,
        "oldest": {
            "offset": record.offset,
            "time": record.at.isoformat(),
            "key": record.key.decode("utf-8", "backslashreplace") if record.key is not None else None,
            "record": describe_record(record),
        }
        if record
        else None,
    }
