"""A compacted topic on Kafka of which every record is needed: read from its beginning, written a plan at a time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from consumers.table_topic.kafka_table_reader import KafkaTableReader
from consumers.table_topic.port import PlanOutdatedError, TableTopicError
from consumers.table_topic.published_tables import PublishedTables
from consumers.table_topic.topic_state import TopicState
from producers.kafka_transaction import ProducerFencedError, TransactionalWriter
from producers.publisher import Message, PublishError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from consumers.table_topic.port import TableTopicRead
    from consumers.table_topic.publish_plan import PublishPlan

READ_TIMEOUT = 30.0  # seconds to read it to its end
READ_TIMEOUT_AFTER_ERROR = 3.0  # seconds for that after Kafka has reported an error


S = TypeVar("S", bound=TopicState)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaCompactedTopic(Generic[S]):
    """A topic with one partition. Its transactional id is the topic's name, so its writers are serialised."""

    name: str
    empty: S
    reading: Mapping[str, object]
    writing: Mapping[str, object]

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[AsyncIterator[TableTopicRead]]:
        """Yield every record from the beginning, and then those that arrive."""
        async with KafkaTableReader(self.reading, self.name) as reader:
            yield reader

    async def read(self) -> S:
        """Return everything up to the present end.

        Raises:
            TableTopicError: it cannot be read.
        """
        why = f"topic {self.name} was not read to its end within {READ_TIMEOUT:g} s"
        published = self.empty
        try:
            async with asyncio.timeout(READ_TIMEOUT) as limit, self.follow() as news:
                async for some in news:
                    published = published.with_records(some.entries)
                    if some.at_end:
                        break
                    if some.problem != why and some.problem:
                        # It may pass in a moment: a topic that was just created is not known everywhere.
                        why = some.problem
                        limit.reschedule(asyncio.get_running_loop().time() + READ_TIMEOUT_AFTER_ERROR)
        except TimeoutError:
            raise TableTopicError(why) from None
        return published

    async def write(self, plan: PublishPlan) -> None:
        """Write all records of a plan, or none of them.

        Raises:
            PlanOutdatedError: what the plan expects is no longer on the topic.
            TableTopicError: it cannot be written.
        """
        writer = TransactionalWriter(self.writing, self.name)
        try:
            await asyncio.to_thread(writer.init_transactions)
            # Only now no other process can write unseen.
            if not plan.is_current(await self.read()):
                raise PlanOutdatedError
            await asyncio.to_thread(writer.write, [self._message(*record) for record in plan.records.items()])
        except ProducerFencedError:
            raise PlanOutdatedError from None
        except PublishError as error:
            raise TableTopicError(str(error)) from error

    def _message(self, key: str, value: bytes | None) -> Message:
        return Message(self.name, key.encode(), value, (("content-type", b"application/json"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaTableTopic(KafkaCompactedTopic[PublishedTables]):
    """A `TableTopic`."""

    empty: PublishedTables = field(default_factory=PublishedTables)
