"""Run the service: open what it needs, start its roles, stop them in order."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from consumers.inbound.callback_auth import check_of
from consumers.inbound.listen_socket import CannotListenError
from consumers.inbound.listener import Listener, ListenerSpoke
from consumers.metrics import Metrics
from consumers.runtime.kafka.readiness import KafkaNotReadyError
from consumers.spokes.credentials import NoAuth, SecretMissingError
from consumers.store.migrate import SchemaError
from consumers.store.port import StoreUnavailableError
from consumers.table_topic.live_tables import FromTopic
from schemas.codec.schema_registry import RegistryError, RegistrySilentError
from schemas.topics import TopicNames
from southbound.service.compose import ROLES, Parts, count_callbacks, now, overdue, poller, turns, workers
from southbound.service.gc_tuning import collect_rarely
from southbound.service.health import HealthServer
from southbound.service.load_rules import OperatorMistakesError, load_rules
from southbound.service.open import open_parts, topics_of
from southbound.service.start_reason import Waiting
from southbound.service.table_sources import NoLiveTablesError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

    from consumers.runtime.worker import Worker
    from southbound.service.health import Check
    from southbound.service.load_rules import Rules
    from southbound.settings.settings import Settings

log = structlog.get_logger()
NOT_REACHABLE = (
    KafkaNotReadyError,
    RegistrySilentError,
    NoLiveTablesError,
    StoreUnavailableError,
    CannotListenError,
)
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class NotConfiguredError(Exception):
    """What an operator wrote does not let the service start."""


class NotReachableError(Exception):
    """Kafka, the database or a port is not to be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What is up, for those who started it."""

    parts: Parts
    workers: Mapping[str, Worker]
    listener_port: int | None
    health_port: int


async def serve(
    settings: Settings,
    roles: Sequence[str] = ROLES,
    *,
    stop: asyncio.Event,
    only_spoke: str | None = None,
    rules: Rules | None = None,
    ready: Callable[[Running], None] = lambda _: None,
) -> bool:
    """Run until `stop` is set; return whether everything under way was finished.

    Raises:
        NotConfiguredError: files or secrets are wrong.
        NotReachableError: Kafka, the store or a port is not to be had within its limit.
        WorkerFailedError: a worker could not go on.
    """
    async with AsyncExitStack() as stack:
        waiting, metrics = Waiting(), Metrics()
        try:
            # First of all, so that a probe does not end a process that is waiting as it should.
            health = await _health(stack, settings, metrics, waiting)
            rules = rules or load_rules(settings.routing)
            topics = _topics(settings, rules, roles, only_spoke)
            parts = await open_parts(stack, settings, rules, roles, topics, metrics, waiting)
            made = workers(parts, roles, only_spoke)
            port = await _listen(stack, parts) if "listener" in roles else None
        except (OperatorMistakesError, SecretMissingError, SchemaError) as error:
            raise NotConfiguredError(str(error)) from error
        except NOT_REACHABLE as error:
            raise NotReachableError(str(error)) from error
        except RegistryError as error:
            raise NotConfiguredError(str(error)) from error
        health.checks, health.warnings = _checks(parts, made), parts.tables.warnings
        collect_rarely()
        ready(Running(parts=parts, workers=made, listener_port=port, health_port=health.port))
        log.info("started", roles=[*roles], health=health.port, listener=port)
        clean = await _run_until(stop, made, [*_beside(parts, roles)])
    log.info("stopped", clean=clean)
    return clean


def _topics(settings: Settings, rules: Rules, roles: Sequence[str], only_spoke: str | None) -> set[str]:
    served = [profile.name for profile in rules.profiles if "routing" in roles or only_spoke in (None, profile.name)]
    published = isinstance(rules.tables, FromTopic)
    return topics_of(roles, TopicNames(settings.kafka.prefix), served, tables=published)


def _beside(parts: Parts, roles: Sequence[str]) -> Iterator[Coroutine[None, None, None]]:
    """Give what works by the clock and not on records."""
    if "routing" in roles:
        yield overdue(parts).run()
        yield from parts.tables.work()
        yield turns(parts).run()
    if "poller" in roles and (polling := poller(parts)):
        yield polling.run()


async def _listen(stack: AsyncExitStack, parts: Parts) -> int:
    settings = parts.settings.listener
    listener = Listener(
        host=settings.host,
        port=settings.port,
        spokes={
            profile.name: ListenerSpoke(authenticate=check_of(profile.callback_auth, os.environ))
            for profile in parts.rules.profiles
        },
        publisher=parts.events.publisher,
        topic=parts.events.topics.inbound,
        envelope=parts.events.envelope,
        clock=now,
        count=count_callbacks(parts.metrics),
    )
    await stack.enter_async_context(listener)
    _warn_of_strangers(parts)
    return listener.port


def _warn_of_strangers(parts: Parts) -> None:
    """Anybody who reaches the listener could end runs of a system whose callbacks carry no credentials."""
    host = parts.settings.listener.host
    open_doors = [profile.name for profile in parts.rules.profiles if isinstance(profile.callback_auth, NoAuth)]
    if open_doors and host not in LOOPBACK:
        log.warning(
            "anybody who reaches the listener can report on runs: set callback_auth", host=host, spokes=open_doors
        )


async def _health(stack: AsyncExitStack, settings: Settings, metrics: Metrics, waiting: Waiting) -> HealthServer:
    async def starting() -> str | None:
        return f"waiting: {waiting.reason}" if waiting.reason else None

    at = settings.health
    server = HealthServer(host=at.host, port=at.port, metrics=metrics, checks={"start": starting})
    await server.start()
    stack.push_async_callback(server.stop)
    return server


def _checks(parts: Parts, made: Mapping[str, Worker]) -> Mapping[str, Check]:
    group = parts.settings.kafka.group
    return {"store": _store_check(parts)} | {
        role: _worker_check(worker, f"{group}.{role}") for role, worker in made.items()
    }


def _store_check(parts: Parts) -> Check:
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
