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
from schemas.codec.schema_registry import RegistryError, RegistryUnavailableError
from schemas.topics import TopicNames
from southbound.service.gc_tuning import reduce_gc
from southbound.service.health import HealthServer
from southbound.service.load_rules import InvalidConfigurationError, load_rules
from southbound.service.open import open_resources
from southbound.service.open_callbacks import open_callback_mistakes
from southbound.service.role_builders import build_workers, listen, tasks
from southbound.service.roles import Role, TopicScope, topics_for_roles
from southbound.service.start_reason import StartReason
from southbound.service.table_sources import NoLiveTablesError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from consumers.runtime.worker import Worker
    from southbound.service.compose import SharedParts
    from southbound.service.health import HealthCheck
    from southbound.service.load_rules import RoutingRules
    from southbound.settings.settings import Settings

log = structlog.get_logger()
UNREACHABLE_ERRORS = (
    KafkaNotReadyError,
    RegistryUnavailableError,
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
    """The running service, for its caller."""

    resources: SharedParts
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
            health = await _start_health_server(stack, settings, metrics, waiting)
            rules = rules or load_rules(settings.routing)
            _refuse_open_callbacks(settings, rules, roles)
            topics = _required_topics(settings, rules, roles, only_spoke)
            parts = await open_resources(stack, settings, rules, roles, topics, metrics, waiting)
            made = build_workers(parts, roles, only_spoke)
            port = await listen(stack, parts, roles)
        except (InvalidConfigurationError, SecretMissingError, SchemaError) as error:
            raise NotConfiguredError(str(error)) from error
        except UNREACHABLE_ERRORS as error:
            raise NotReachableError(str(error)) from error
        except RegistryError as error:
            raise NotConfiguredError(str(error)) from error
        health.checks, health.warnings = _health_checks(parts, made), parts.tables.warnings
        reduce_gc()
        ready(RunningService(resources=parts, workers=made, listener_port=port, health_port=health.port))
        log.info("started", roles=[*roles], health=health.port, listener=port)
        clean = await _run_until_stopped(stop, made, [*tasks(parts, roles)])
    log.info("stopped", clean=clean)
    return clean


def _refuse_open_callbacks(settings: Settings, rules: RoutingRules, roles: Sequence[Role]) -> None:
    mistakes = open_callback_mistakes(settings.listener.host, rules.profiles) if Role.LISTENER in roles else []
    if mistakes:
        raise InvalidConfigurationError(mistakes)


def _required_topics(
    settings: Settings, rules: RoutingRules, roles: Sequence[Role], only_spoke: str | None
) -> set[str]:
    served = [profile.name for profile in rules.profiles if Role.ROUTING in roles or only_spoke in (None, profile.name)]
    published = isinstance(rules.tables, PublishedTableIds)
    scope = TopicScope(names=TopicNames(settings.kafka.prefix), spokes=served, published_tables=published)
    return topics_for_roles(roles, scope)


async def _start_health_server(
    stack: AsyncExitStack, settings: Settings, metrics: Metrics, status: StartReason
) -> HealthServer:
    async def starting() -> str | None:
        return f"waiting: {status.reason}" if status.reason else None

    at = settings.health
    server = HealthServer(host=at.host, port=at.port, metrics=metrics, checks={"start": starting})
    await server.start()
    stack.push_async_callback(server.stop)
    return server


def _health_checks(resources: SharedParts, workers: Mapping[str, Worker]) -> Mapping[str, HealthCheck]:
    group = resources.settings.kafka.group
    return {"store": _store_check(resources)} | {
        role: _worker_check(worker, f"{group}.{role}") for role, worker in workers.items()
    }


def _store_check(resources: SharedParts) -> HealthCheck:
    async def check() -> str | None:
        try:
            await resources.store.ping()
        except StoreUnavailableError as error:
            return str(error)
        return None

    return check


def _worker_check(worker: Worker, group: str) -> HealthCheck:
    async def check() -> str | None:
        if worker.may_send():
            return None
        return f"consumer group {group} has not heard from Kafka for a session: look at the brokers and at the network"

    return check


async def _run_until_stopped(
    stop: asyncio.Event, workers: Mapping[str, Worker], background: Sequence[Coroutine[None, None, None]]
) -> bool:
    """Run all; whichever ends first, or `stop`, ends them all."""
    running = [asyncio.create_task(worker.run(), name=role) for role, worker in workers.items()]
    beside = [asyncio.create_task(other) for other in background]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *running, *beside], return_when=asyncio.FIRST_COMPLETED)
    for worker in workers.values():
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
