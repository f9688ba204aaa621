"""Run `southbound topics plan` and `southbound topics apply`."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from rich.table import Table

from consumers.spokes.credentials import SecretMissingError
from schemas.topics import all_topics
from southbound.exit_codes import ExitCode, invalid_input, unreachable
from southbound.operations.console import print_result, print_status
from southbound.operations.kafka import wait_until_reachable
from southbound.operations.topic_admin import TopicAdmin, TopicPlan, TopicsError, format_retention
from southbound.service.kafka_settings import client_settings
from southbound.service.load_rules import InvalidConfigurationError, load_rules
from southbound.service.streams.topic_checks import stream_warnings

if TYPE_CHECKING:
    from schemas.topics import Topic
    from southbound.settings.settings import Settings


def plan_topics(settings: Settings) -> int:
    """Run `southbound topics plan`.

    Raises:
        CommandFailedError: Kafka does not answer, or the profiles are wrong.
    """
    _, plan = _plan(settings)
    print_result(_topics_table(plan, "to be created"))
    _print_differences(plan)
    _print_stream_warnings(settings)
    return ExitCode.SUCCESS


def apply_topics(settings: Settings, replication: int) -> int:
    """Run `southbound topics apply`. `replication` -1 leaves the number of copies to the cluster.

    Raises:
        CommandFailedError: Kafka does not answer or refuses a topic, or the profiles are wrong.
    """
    admin, plan = _plan(settings)
    try:
        admin.apply(plan, replication=replication)
    except TopicsError as error:
        raise unreachable(str(error)) from None
    print_result(_topics_table(plan, "created"))
    _print_differences(plan)
    _print_stream_warnings(settings)
    return ExitCode.SUCCESS


def _plan(settings: Settings) -> tuple[TopicAdmin, TopicPlan]:
    topics = _required_topics(settings)
    asyncio.run(wait_until_reachable(settings))
    try:
        admin = TopicAdmin(client_settings(settings.kafka))
        return admin, admin.plan(topics)
    except TopicsError as error:
        raise unreachable(str(error)) from None


def _print_stream_warnings(settings: Settings) -> None:
    """Print what is wrong with the topics of streams; they belong to others, and Southbound creates none of them."""
    try:
        rules = load_rules(settings.routing, settings.writeback.targets, settings.streams)
        warnings = stream_warnings(settings, rules, os.environ)
    except InvalidConfigurationError as error:
        raise invalid_input(error.mistakes) from None
    except SecretMissingError as error:
        raise invalid_input(str(error).splitlines()) from None
    for sentence in warnings:
        print_status(sentence)


def _required_topics(settings: Settings) -> tuple[Topic, ...]:
    try:
        profiles = load_rules(settings.routing).profiles
    except InvalidConfigurationError as error:
        raise invalid_input(error.mistakes) from None
    return all_topics(settings.kafka.prefix, [profile.name for profile in profiles])


def _topics_table(plan: TopicPlan, missing_status: str) -> Table:
    table = Table("topic", "status", "partitions", "retention", "carries", box=None, pad_edge=False)
    rows = [(topic, missing_status) for topic in plan.missing] + [(topic, "exists") for topic in plan.present]
    for topic, status in sorted(rows, key=lambda row: row[0].name):
        table.add_row(
            topic.name, status, str(topic.partitions), _retention(topic), ", ".join(topic.carries) or topic.meaning
        )
    return table


def _retention(topic: Topic) -> str:
    if topic.cleanup == "compact":
        return "the last record of each key"
    return "for ever" if topic.retention_ms is None else format_retention(topic.retention_ms)


def _print_differences(plan: TopicPlan) -> None:
    for difference in plan.differences:
        print_status(f"not changed: {difference}")
