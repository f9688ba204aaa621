"""Run the service: open what it needs, start its roles, stop them in order."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from consumers.callback_keys import check_of
from consumers.listener import Listener, ListenerSpoke
from consumers.metrics import Metrics
from consumers.runtime.reach import KafkaNotReadyError, wait_for_kafka
from consumers.serving import CannotListenError
from consumers.spokes.client import SpokeClient
from consumers.spokes.secret_references import SecretMissingError
from consumers.store.port import StoreUnavailableError
from consumers.store.schema import SchemaError
from producers.events import EventPublisher
from producers.kafka_publisher import KafkaPublisher, producer_settings
from schemas.codec import Codec
from schemas.envelope import Envelope
from schemas.registry import RegistryError, resolve_ids
from schemas.topics import TopicNames, all_topics
from southbound.compose import ROLES, Parts, count_callbacks, now, overdue, poller, workers
from southbound.garbage import collect_rarely
from southbound.health import HealthServer
from southbound.loading import OperatorMistakesError, load_rules
from southbound.run_store import open_run_store

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

    from consumers.runtime.loop import Worker
    from consumers.store.sql import SqlRunStore
    from southbound.health import Check
    from southbound.loading import Rules
    from southbound.settings import Settings

log = structlog.get_logger()
LATELY = 4 * 2**20  # bytes of commands that need not be read again when they come back
ASK_AGAIN = 1.0  # seconds between attempts to open the store


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
        try:
            parts = await _open(stack, settings, rules)
            made = workers(parts, roles, only_spoke)
            port = await _listen(stack, parts) if "listener" in roles else None
            health = await _health(stack, parts, made)
        except (OperatorMistakesError, SecretMissingError, RegistryError, SchemaError) as error:
            raise NotConfiguredError(str(error)) from error
        except (KafkaNotReadyError, StoreUnavailableError, CannotListenError) as error:
            raise NotReachableError(str(error)) from error
        collect_rarely()
        ready(Running(parts=parts, workers=made, listener_port=port, health_port=health.port))
        log.info("started", roles=[*roles], health=health.port, listener=port)
        clean = await _run_until(stop, made, [*_beside(parts, roles)])
    log.info("stopped", clean=clean)
    return clean


async def _open(stack: AsyncExitStack, settings: Settings, rules: Rules | None) -> Parts:
    rules = rules or load_rules(settings.routing)
    topics = all_topics(settings.kafka.prefix, [profile.name for profile in rules.profiles])
    client = SpokeClient(rules.profiles, os.environ)
    stack.push_async_callback(client.close)
    overrides = settings.kafka.overrides()
    kafka = producer_settings(settings.kafka.servers, _for_producers(overrides))
    await wait_for_kafka(
        kafka, [topic.name for topic in topics], budget=settings.kafka.start_timeout, report=_waiting("Kafka")
    )
    registry = await asyncio.to_thread(resolve_ids, settings.kafka.registry) if settings.kafka.registry else None
    store = await _store(settings)
    stack.push_async_callback(store.close)
    publisher = KafkaPublisher(kafka)
    stack.push_async_callback(publisher.close)
    envelope = Envelope(Codec(registry=registry, room=LATELY), source="/southbound")
    events = EventPublisher(publisher=publisher, envelope=envelope, topics=TopicNames(settings.kafka.prefix))
    return Parts(settings=settings, rules=rules, store=store, events=events, client=client, metrics=Metrics())


def _beside(parts: Parts, roles: Sequence[str]) -> Iterator[Coroutine[None, None, None]]:
    """Give what works by the clock and not on records."""
    if "routing" in roles:
        yield overdue(parts).run()
    if "poller" in roles and (polling := poller(parts)):
        yield polling.run()


def _for_producers(overrides: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in overrides.items() if not name.startswith("group.")}


async def _store(settings: Settings) -> SqlRunStore:
    deadline = time.monotonic() + settings.store.start_timeout
    while True:
        try:
            return await open_run_store(settings.store)
        except StoreUnavailableError as error:
            if time.monotonic() > deadline:
                raise
            _waiting("the run store")(str(error))
        await asyncio.sleep(ASK_AGAIN)


def _waiting(what: str) -> Callable[[str], None]:
    return lambda reason: log.warning("waiting", what=what, reason=reason)


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
    return listener.port


async def _health(stack: AsyncExitStack, parts: Parts, made: Mapping[str, Worker]) -> HealthServer:
    checks: dict[str, Check] = {"store": _store_check(parts)} | {
        role: _worker_check(worker) for role, worker in made.items()
    }
    settings = parts.settings.health
    server = HealthServer(host=settings.host, port=settings.port, checks=checks, metrics=parts.metrics)
    await server.start()
    stack.push_async_callback(server.stop)
    return server


def _store_check(parts: Parts) -> Check:
    async def check() -> str | None:
        try:
            await parts.store.ping()
        except StoreUnavailableError as error:
            return str(error)
        return None

    return check


def _worker_check(worker: Worker) -> Check:
    async def check() -> str | None:
        return None if worker.may_send() else "has not heard from Kafka for too long"

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
