"""Copy records from one cluster to another, in the order of each key, and finish each when the other has it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.event_handler import retry_after, settle_known
from consumers.runtime.handler import DeadLetter, Done
from producers.publisher import Message
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.runtime.handler import Attempt, Outcome, Record
    from producers.publisher import Publisher


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCopier:
    """Copies the records of some topics; `topics` are those of the other cluster by ours."""

    topics: Mapping[str, str]
    publisher: Publisher
    on_copied: Callable[[], None] = lambda: None
    random: Callable[[], float] = random.random  # jitter, not a secret

    async def handle_record(self, record: Record, attempt: Attempt) -> Outcome:
        """Copy one record: key, value and headers are the same."""
        outcome = await settle_known(self._copy(record), lambda error: retry_after(error, attempt, self.random()))
        return DeadLetter(outcome) if isinstance(outcome, Problem) else outcome

    async def _copy(self, record: Record) -> Done:
        topic = self.topics[record.partition.topic]
        await self.publisher.publish([Message(topic, record.key, record.value, record.headers)])
        self.on_copied()
        return Done()
