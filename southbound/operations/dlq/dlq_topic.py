"""Read the topic of dead letters and the topic of their status, without holding them in memory."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from consumers.hold.kafka_hold_reader import BATCH_SIZE, STALL_TIMEOUT
from consumers.runtime.kafka.offset_range import OffsetRange
from consumers.runtime.kafka.partition_reader import PartitionReader, PartitionReadError
from schemas.topics import TopicNames
from southbound.exit_codes import unreachable
from southbound.operations.dlq.letter import read_letter
from southbound.operations.dlq.letter_filter import LetterFilter, make_filter
from southbound.operations.dlq.letter_status import ClosedLetters, LetterState
from southbound.operations.kafka import wait_until_reachable
from southbound.service.kafka_settings import standalone_consumer_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from southbound.operations.dlq.letter import Letter
    from southbound.operations.dlq.letter_filter import LetterOptions
    from southbound.settings.settings import Settings

_OPEN_ONLY = frozenset({LetterState.OPEN})
ALL_STATES = frozenset(LetterState)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterTopic:
    """The dead letters that a command is about, as they were when it was opened."""

    names: TopicNames
    chosen: LetterFilter
    reader: PartitionReader
    partitions: Mapping[str, Sequence[int]]  # of every topic

    def read_closed(self) -> ClosedLetters:
        """Return which dead letters are not open any more; none if no command has closed one yet."""
        closed, topic = ClosedLetters(), self.names.dlq_status
        ranges = self.reader.present_ranges(topic) if topic in self.partitions else []
        for message in self.reader.records(ranges, stall_timeout=STALL_TIMEOUT):
            closed.add(message.key(), message.value())
        return closed

    def ranges(self) -> list[OffsetRange]:
        """Return where the chosen dead letters can be, up to the present end of the topic."""
        topic, since = self.names.dlq, self.chosen.since
        found = self.reader.ranges_since(topic, since) if since else self.reader.present_ranges(topic)
        return [narrowed for one in found if (narrowed := self._narrowed(one)).length > 0]

    def letters(
        self, closed: ClosedLetters, ranges: Sequence[OffsetRange], states: Collection[LetterState] = _OPEN_ONLY
    ) -> Iterator[Letter]:
        """Yield the chosen dead letters in these states; those of one key are in order."""
        for message in self.reader.records(ranges, limit=BATCH_SIZE, stall_timeout=STALL_TIMEOUT):
            letter = read_letter(message, self.names)
            if self.chosen.matches(letter) and closed.state_of(letter) in states:
                yield letter

    def _narrowed(self, one: OffsetRange) -> OffsetRange:
        if not self.chosen.ids:
            return one
        offsets = [id_.offset for id_ in self.chosen.ids if id_.partition == one.partition]
        start = max(one.start, min(offsets, default=one.end))
        return OffsetRange(one.topic, one.partition, start, min(one.end, max(offsets, default=-1) + 1))


@contextmanager
def open_dlq(settings: Settings, options: LetterOptions) -> Iterator[DeadLetterTopic]:
    """Open the topic of dead letters for the duration of the block.

    Raises:
        CommandFailedError: an option is wrong, Kafka does not answer within 10 seconds or lacks the topic.
    """
    names = TopicNames(settings.kafka.prefix)
    chosen = make_filter(options, names, datetime.now(UTC))
    asyncio.run(wait_until_reachable(settings))
    try:
        with PartitionReader(standalone_consumer_settings(settings.kafka)) as reader:
            partitions = reader.topics()
            if names.dlq not in partitions:
                raise unreachable(f"Kafka does not have the topic {names.dlq}: run `southbound topics apply`")
            yield DeadLetterTopic(names=names, chosen=chosen, reader=reader, partitions=partitions)
    except PartitionReadError as error:
        raise unreachable(str(error)) from None
