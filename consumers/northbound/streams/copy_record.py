"""Copy records from one cluster to another, in the order of each key, and finish each when the other has it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from consumers.event_handler import retry_after, settle_known
from consumers.runtime.handler import DeadLetter, Done
from producers.publisher import Message
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from consumers.runtime.handler import Attempt, Outcome, Record
    from consumers.store.orders.port import OrderStore
    from producers.publisher import Publisher


class ChooseRecord(Protocol):
    """Decides which records are copied."""

    async def __call__(self, record: Record, /) -> bool:
        """Return whether this one is."""


@dataclass(frozen=True, slots=True)
class TenantChoice:
    """Chooses the records of some tenants: the key of what is published is the id of the root run.

    Without a run or an order the tenant is not known, and the record is not copied: it may be another one's.
    """

    orders: OrderStore
    tenants: Collection[str]

    async def is_chosen(self, record: Record) -> bool:
        """Return whether the run of a record is of one of the tenants.

        Raises:
            StoreUnavailableError: during an outage.
        """
        view = await self.orders.view((record.key or b"").decode(errors="replace"))
        return view is not None and view.tenant in self.tenants


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCopier:
    """Copies the records of some topics; `topics` are those of the other cluster by ours.

    `is_chosen` None: every record is copied.
    """

    topics: Mapping[str, str]
    publisher: Publisher
    is_chosen: ChooseRecord | None = None
    on_copied: Callable[[], None] = lambda: None
    on_skipped: Callable[[], None] = lambda: None
    random: Callable[[], float] = random.random  # jitter, not a secret

    async def handle_record(self, record: Record, attempt: Attempt) -> Outcome:
        """Copy one record: key, value and headers are the same."""
        outcome = await settle_known(self._copy(record), lambda error: retry_after(error, attempt, self.random()))
        return DeadLetter(outcome) if isinstance(outcome, Problem) else outcome

    async def _copy(self, record: Record) -> Done:
        topic = self.topics[record.partition.topic]
        if self.is_chosen is not None and not await self.is_chosen(record):
            self.on_skipped()
            return Done()
        await self.publisher.publish([Message(topic, record.key, record.value, record.headers)])
        self.on_copied()
        return Done()
