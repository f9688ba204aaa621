"""Run the service: open what it needs, start its roles, stop them in order."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from consumers.inbound.listen_socket import CannotListenError
from consumers.metrics import Metrics
from consumers.runtime.kafka.readiness import KafkaNotReadyError
from consumers.spokes.credentials import SecretMissingError
from consumers.store.migrate import SchemaError
from consumers.store.port import StoreUnavailableError
from consumers.table_topic.live_tables import PublishedTableIds
from schemas.codec.schema_registry import RegistryError, RegistrySilentError
from schemas.topics import TopicNames
from southbound.service.gc_tuning import collect_rarely
from southbound.service.health import HealthServer
from southbound.service.load_rules import OperatorMistakesError, load_rules
from southbound.service.open import open_parts
from southbound.service.role_builders import listen, tasks, workers
from southbound.service.roles import Role, TopicScope, topics_of
from southbound.service.start_reason import StartReason
from southbound.service.table_sources import NoLiveTablesError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from consumers.runtime.worker import Worker
    from southbound.service.compose import SharedParts
    from southbound.service.health import Check
    from southbound.service.load_rules import RoutingRules
    from southbound.settings.settings import Settings

log = structlog.get_logger()
NOT_REACHABLE = (
    KafkaNotReadyError,
    RegistrySilentError,
    NoLiveTablesError,
    StoreUnavailableError,
    CannotListenError,
)


class NotConfiguredError(Exception):
    """What an operator wrote does not let the service start."""


class NotReachableError(Exception):
    """Kafka, the database or a port is not to be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningService:
    """What is up, for those who started it."""

    parts: SharedParts
    workers: Mapping[str, Worker]
    listener_port: int | None
    health_port: int


async def serve(
    settings: Settings,
    roles: Sequence[Role] = tuple(Role),
    *,
    stop: asyncio.Event,
    only_spoke: str | None = None,
    rules: RoutingRules | None = None,
    ready: Callable[[RunningService], None] = lambda _: None,
) -> bool:
    """Run until `stop` is set; return whether everything under way was finished.

    Raises:
        NotConfiguredError: files or secrets are wrong.
        NotReachableError: Kafka, the store or a port is not to be had within its limit.
        WorkerFailedError: a worker could not go on.
    """
    async with AsyncExitStack() as stack:
        waiting, metrics = StartReason(), Metrics()
        try:
            # First of all, so that a probe does not end a process that is waiting as it should.
            health = await _health(stack, settings, metrics, waiting)
            rules = rules or load_rules(settings.routing)
            topics = _topics(settings, rules, roles, only_spoke)
            parts = await open_parts(stack, settings, rules, roles, topics, metrics, waiting)
            made = workers(parts, roles, only_spoke)
            port = await listen(stack, parts, roles)
        except (OperatorMistakesError, SecretMissingError, SchemaError) as error:
            raise NotConfiguredError(str(error)) from error
        except NOT_REACHABLE as error:
            raise NotReachableError(str(error)) from error
        except RegistryError as error:
            raise NotConfiguredError(str(error)) from error
        health.checks, health.warnings = _checks(parts, made), parts.tables.warnings
        collect_rarely()
        ready(RunningService(parts=parts, workers=made, listener_port=port, health_port=health.port))
        log.info("started", roles=[*roles], health=health.port, listener=port)
        clean = await _run_until(stop, made, [*tasks(parts, roles)])
    log.info("stopped", clean=clean)
    return clean


def _topics(settings: Settings, rules: RoutingRules, roles: Sequence[Role], only_spoke: str | None) -> set[str]:
    served = [profile.name for profile in rules.profiles if Role.ROUTING in roles or only_spoke in (None, profile.name)]
    published = isinstance(rules.tables, PublishedTableIds)
    scope = TopicScope(names=TopicNames(settings.kafka.prefix), spokes=served, published_tables=published)
    return topics_of(roles, scope)


async def _health(stack: AsyncExitStack, settings: Settings, metrics: Metrics, waiting: StartReason) -> HealthServer:
    async def starting() -> str | None:
        return f"waiting: {waiting.reason}" if waiting.reason else None

    at = settings.health
    server = HealthServer(host=at.host, port=at.port, metrics=metrics, checks={"start": starting})
    await server.start()
    stack.push_async_callback(server.stop)
    return server


def _checks(parts: SharedParts, made: Mapping[str, Worker]) -> Mapping[str, Check]:
    group = parts.settings.kafka.group
    return {"store": _store_check(parts)} | {
        role: _worker_check(worker, f"{group}.{role}") for role, worker in made.items()
    }


def _store_check(parts: SharedParts) -> Check:
    async def check() -> str | None:
        try:
            await parts.store.ping()
        except StoreUnavailableError as error:
            return str(error)
        return None

    return check


def _worker_check(worker: Worker, group: str) -> Check:
    async def check() -> str | None:
        if worker.may_send():
            return None
        return f"consumer group {group} has not heard from Kafka for a session: look at the brokers and at the network"

    return check


async def _run_until(
    stop: asyncio.Event, made: Mapping[str, Worker], others: Sequence[Coroutine[None, None, None]]
) -> bool:
    """Run all; whichever ends first, or `stop`, ends them all."""
    running = [asyncio.create_task(worker.run(), name=role) for role, worker in made.items()]
    beside = [asyncio.create_task(other) for other in others]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *running, *beside], return_when=asyncio.FIRST_COMPLETED)
    for worker in made.values():
        worker.stop()
    for task in (stopping, *beside):
        task.cancel()
    ended = await asyncio.gather(*running, return_exceptions=True)
    await asyncio.gather(stopping, return_exceptions=True)
    also = await asyncio.gather(*beside, return_exceptions=True)
    failures = [one for one in (*ended, *also) if isinstance(one, Exception)]
    if failures:
        raise failures[0]
    return all(one is True for one in ended)
