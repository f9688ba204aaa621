"""What the tables topic offers: read it, write a plan as a whole, follow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from consumers.table_topic.publish_plan import PublishPlan
    from consumers.table_topic.published_tables import PublishedTables

Entry = tuple[bytes | None, bytes | None]  # key and value of a record


class TableTopicError(Exception):
    """The topic cannot be read or written; the message says why and what to do."""


class PlanOutdatedError(Exception):
    """Another process wrote first, so the plan does not consider its records; nothing of the plan was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTopicRead:
    """Records in the order of the topic. `at_end`: there are no more at present; `problem`: why none can arrive."""

    entries: tuple[Entry, ...] = ()
    at_end: bool = False
    problem: str = ""


class TableTopic(Protocol):
    """The one partition that holds all tables."""

    async def read(self) -> PublishedTables:
        """Return everything up to the present end.

        Raises:
            TableTopicError: it cannot be read.
        """

    async def write(self, plan: PublishPlan) -> None:
        """Write all records of a plan, or none of them.

        Raises:
            PlanOutdatedError: what the plan expects is no longer on the topic.
            TableTopicError: it cannot be written.
        """

    def follow(self) -> AbstractAsyncContextManager[AsyncIterator[TableTopicRead]]:
        """Yield every record from the beginning, and then those that arrive, until the block ends."""
