"""Read and write the topic of specifications for a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from consumers.specifications.published_specifications import RefusedSpecificationError
from consumers.table_topic.port import PlanOutdatedError
from southbound.exit_codes import invalid_input
from southbound.operations.kafka import query_compacted_topic
from southbound.service.specification_source import specification_topic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consumers.specifications.published_specifications import PublishedSpecifications
    from consumers.table_topic.kafka_table_topic import KafkaCompactedTopic
    from consumers.table_topic.publish_plan import PublishPlan
    from southbound.settings.settings import Settings

    KafkaSpecificationTopic = KafkaCompactedTopic[PublishedSpecifications]

T = TypeVar("T")


def query_specifications(settings: Settings, query: Callable[[KafkaSpecificationTopic], Awaitable[T]]) -> T:
    """Run `query` on the topic of specifications.

    Raises:
        CommandFailedError: Kafka does not answer, or the change is refused.
    """
    try:
        return query_compacted_topic(settings, specification_topic(settings.kafka), query)
    except RefusedSpecificationError as error:
        raise invalid_input(error.sentences) from None
    except PlanOutdatedError:
        raise invalid_input(
            ["nothing was written, because the same specification was changed meanwhile: see it, then do it again"]
        ) from None


def read_specifications(settings: Settings) -> PublishedSpecifications:
    """Read all specifications.

    Raises:
        CommandFailedError: Kafka does not answer.
    """
    return query_specifications(settings, lambda topic: topic.read())


async def write_if_needed(topic: KafkaSpecificationTopic, plan: PublishPlan) -> None:
    """Write a plan, unless it has no records."""
    if plan.records:
        await topic.write(plan)
