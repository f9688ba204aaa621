"""What the tables topic offers: read it, write a plan as a whole, follow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from router.tables.publish_plan import PublishPlan
    from router.tables.versions import PublishedTables

Entry = tuple[bytes | None, bytes | None]  # key and value of a record


class TableTopicError(Exception):
    """The topic cannot be read or written; the sentence says why and what to do."""


class PlanOutdatedError(Exception):
    """Somebody else wrote first, so a plan was made in ignorance of theirs; nothing of it was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTopicRead:
    """Records in the order of the topic. `at_end`: there are no more at present; `trouble`: why none can come."""

    entries: tuple[Entry, ...] = ()
    at_end: bool = False
    problem: str = ""


class TableTopic(Protocol):
    """The one partition that holds all tables."""

    async def read(self) -> PublishedTables:
        """Give everything up to the present end.

        Raises:
            TableTopicError: it cannot be read.
        """

    async def write(self, plan: PublishPlan) -> None:
        """Write all records of a plan, or none of them.

        Raises:
            OvertakenError: what the plan expects does not stand there any more.
            TableTopicError: it cannot be written.
        """

    def follow(self) -> AbstractAsyncContextManager[AsyncIterator[TableTopicRead]]:
        """Hear every record from the beginning, and then those that come, until the block ends."""
