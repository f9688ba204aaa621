"""Show which topics are missing, and create them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rich.table import Table

from schemas.topics import all_topics
from southbound.cli.exit_codes import ExitCode, not_reachable, wrong
from southbound.operations.console import say, show
from southbound.operations.kafka import reach
from southbound.operations.topic_admin import TopicAdmin, TopicPlan, TopicsError, span
from southbound.service.kafka_settings import client_settings
from southbound.service.load_rules import OperatorMistakesError, load_rules

if TYPE_CHECKING:
    from schemas.topics import Topic
    from southbound.settings.settings import Settings


def plan_topics(settings: Settings) -> int:
    """Return what `apply` would do."""
    _, plan = _planned(settings)
    show(_table(plan, "to be created"))
    _warn(plan)
    return ExitCode.DONE


def apply_topics(settings: Settings, replication: int) -> int:
    """Create what is missing."""
    admin, plan = _planned(settings)
    try:
        admin.apply(plan, replication=replication)
    except TopicsError as error:
        raise not_reachable(str(error)) from None
    show(_table(plan, "created"))
    _warn(plan)
    return ExitCode.DONE


def _planned(settings: Settings) -> tuple[TopicAdmin, TopicPlan]:
    topics = _wanted(settings)
    asyncio.run(reach(settings))
    try:
        admin = TopicAdmin(client_settings(settings.kafka))
        return admin, admin.plan(topics)
    except TopicsError as error:
        raise not_reachable(str(error)) from None


def _wanted(settings: Settings) -> tuple[Topic, ...]:
    try:
        profiles = load_rules(settings.routing).profiles
    except OperatorMistakesError as error:
        raise wrong(error.mistakes) from None
    return all_topics(settings.kafka.prefix, [profile.name for profile in profiles])


def _table(plan: TopicPlan, done: str) -> Table:
    table = Table("topic", "what", "partitions", "keeps", "carries", box=None, pad_edge=False)
    rows = [(topic, done) for topic in plan.missing] + [(topic, "is there") for topic in plan.present]
    for topic, what in sorted(rows, key=lambda row: row[0].name):
        table.add_row(topic.name, what, str(topic.partitions), _keeps(topic), ", ".join(topic.carries) or topic.meaning)
    return table


def _keeps(topic: Topic) -> str:
    if topic.cleanup == "compact":
        return "the last of each key"
    return "for ever" if topic.retention_ms is None else span(topic.retention_ms)


def _warn(plan: TopicPlan) -> None:
    for difference in plan.differences:
        say(f"not changed: {difference}")
