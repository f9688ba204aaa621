"""The tables topic on Kafka: read from the beginning, written in one transaction per plan."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.tables.kafka_reader import KafkaReader
from consumers.tables.port import OvertakenError, TableTopicError
from producers.kafka_transaction import FencedError, SoleWriter
from producers.publisher import Message, PublishError
from router.published_tables import PublishedTables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from consumers.tables.port import Entry, News
    from router.table_moves import Plan

PATIENCE = 30.0  # seconds to read it to its end


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaTableTopic:
    """A `TableTopic`. Its transactional id is the topic's name, so all who write tables are one after the other."""

    name: str
    reading: Mapping[str, object]
    writing: Mapping[str, object]

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[AsyncIterator[News]]:
        """Hear every record from the beginning, and then those that come."""
        async with KafkaReader(self.reading, self.name) as reader:
            yield reader

    async def read(self) -> PublishedTables:
        """Give everything up to the present end.

        Raises:
            TableTopicError: it cannot be read.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                return PublishedTables().after(await self._entries())
        except TimeoutError:
            raise TableTopicError(f"topic {self.name} was not read to its end within {PATIENCE:g} s") from None

    async def write(self, plan: Plan) -> None:
        """Write all records of a plan, or none of them.

        Raises:
            OvertakenError: what the plan expects does not stand there any more.
            TableTopicError: it cannot be written.
        """
        writer = SoleWriter(self.writing, self.name)
        try:
            await asyncio.to_thread(writer.take_over)
            # Only now nobody else can write unseen.
            if not plan.holds(await self.read()):
                raise OvertakenError
            await asyncio.to_thread(writer.write, [self._message(*record) for record in plan.records.items()])
        except FencedError:
            raise OvertakenError from None
        except PublishError as error:
            raise TableTopicError(str(error)) from error

    async def _entries(self) -> list[Entry]:
        entries: list[Entry] = []
        async with self.follow() as news:
            async for some in news:
                entries += some.entries
                if some.trouble:
                    raise TableTopicError(some.trouble)
                if some.at_end:
                    break
        return entries

    def _message(self, key: str, value: bytes | None) -> Message:
        return Message(self.name, key.encode(), value, (("content-type", b"application/json"),))
