"""Open Kafka, the schema registry, the tables and the run store, and retry until each is available."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog

from consumers.runtime.kafka.partition_reader import PartitionReadError
from consumers.runtime.kafka.readiness import KafkaNotReadyError, wait_for_kafka
from consumers.spokes.aiohttp_transport import AiohttpTransport
from consumers.spokes.http_client import SpokeClient
from consumers.spokes.session_transport import SessionTransport
from consumers.store.port import StoreUnavailableError
from consumers.store.sql_store import open_store
from producers.event_publisher import EventPublisher
from producers.kafka_publisher import KafkaPublisher
from producers.publisher import PublishError
from schemas.catalogue import NOTIFICATIONS
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope
from schemas.codec.schema_registry import RegistryUnavailableError, resolve_ids
from schemas.lifecycle import RunRequested
from schemas.topics import TopicNames
from southbound.service.composition.shared_resources import SharedResources, utc_now
from southbound.service.kafka_settings import client_settings
from southbound.service.roles import Role
from southbound.service.specification_source import open_specifications
from southbound.service.store_check import ContinuityCheck, StoreMarker, establish_continuity
from southbound.service.streams.clients import destination_servers, stream_client_settings
from southbound.service.table_sources import open_tables

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AsyncExitStack

    from consumers.metrics import Metrics
    from consumers.store.sql_store import SqlRunStore
    from southbound.service.load_rules import RoutingRules
    from southbound.service.startup_status import StartupStatus
    from southbound.settings.settings import KafkaSettings, Settings, StoreSettings

    T = TypeVar("T")


async def open_run_store(store: StoreSettings) -> SqlRunStore:
    """Open the run store, and create or upgrade its tables.

    Raises:
        SchemaError: a newer version of Southbound wrote the tables.
        StoreUnavailableError: the database is not available.
    """
    address = store.url.get_secret_value()
    return await open_store(address, lock_timeout=store.lock_timeout, synchronous=store.synchronous)


log = structlog.get_logger()

DECODED_COMMAND_CACHE_BYTES = 4 * 2**20  # bytes of published commands that are not decoded again when consumed

RETRY_INTERVAL = 1.0  # seconds between attempts


# The transports by value of `http.transport`; the contract suite of transports tests all of them.
TRANSPORTS: Mapping[str, type[AiohttpTransport | SessionTransport]] = {
    "connection": AiohttpTransport,
    "session": SessionTransport,
}


async def open_resources(
    stack: AsyncExitStack,
    settings: Settings,
    rules: RoutingRules,
    roles: Sequence[Role],
    topics: set[str],
    metrics: Metrics,
    status: StartupStatus,
    *,
    accept_empty_store: bool = False,
) -> SharedResources:
    """Open Kafka, the registry, the tables, the run store and the HTTP client; `stack` closes them in reverse order.

    Raises:
        KafkaNotReadyError: Kafka does not answer, or topics are missing, for longer than `kafka.start_timeout`.
        RegistryError: the schema registry refuses, or does not answer for that long.
        NoLiveTablesError: the tables topic has no usable live tables, or specifications cannot be read, for that long.
        StoreUnavailableError: the database does not answer for longer than `store.start_timeout`.
        SchemaError: a newer version of Southbound wrote its tables.
        SecretMissingError: a profile names an environment variable for a secret that is not set.
        StoreDiscontinuedError: the store is empty, older or another one than the gateway worked with, or belongs to
            another gateway.
        PartitionReadError: Kafka does not answer, or refuses to show the topic `testrun.store`.
        PublishError: Kafka does not take the mark of the store.
    """
    called = (*rules.profiles, *(rules.targets if {Role.WRITEBACK, Role.INGRESS} & {*roles} else ()))
    client = SpokeClient(called, os.environ, TRANSPORTS[settings.http.transport])
    stack.push_async_callback(client.close)
    kafka = client_settings(settings.kafka)
    await wait_for_kafka(kafka, sorted(topics), max_wait=settings.kafka.start_timeout, on_reason=status.wait_for)
    envelope = await _open_envelope(settings.kafka, status)
    tables = await open_tables(stack, settings, rules, roles, metrics, status)
    specifications = await open_specifications(stack, settings, roles, metrics, status)
    store = await _open_store(stack, settings.store, status)
    # The listener alone does not use the store, and may have none.
    marked = any(role is not Role.LISTENER for role in roles)
    publisher = _open_publisher(stack, kafka)
    events = EventPublisher(publisher=publisher, envelope=envelope, topics=TopicNames(settings.kafka.prefix))
    resources = SharedResources(
        settings=settings,
        rules=rules,
        tables=tables,
        specifications=specifications,
        store=store,
        subscriptions=store.subscriptions,
        orders=store.orders,
        events=events,
        ask_broker=partial(publisher.is_answered, min(topics)),
        client=client,
        metrics=metrics,
        destinations=_open_destinations(stack, settings.kafka, rules) if Role.EGRESS in roles else {},
        continuity=_continuity_check(settings.kafka, store, events) if marked else None,
    )
    if resources.continuity is not None:
        await _continue(resources, resources.continuity, roles, status, accept=accept_empty_store)
        resources = replace(resources, recorded=await store.identity.recorded())
    status.reason = None
    return resources


def _continuity_check(kafka: KafkaSettings, store: SqlRunStore, events: EventPublisher) -> ContinuityCheck:
    marker = StoreMarker(identity=store.identity, store=store.name, topics=events.topics, publisher=events.publisher)
    return ContinuityCheck(kafka=kafka, marker=marker)


async def _open_store(stack: AsyncExitStack, settings: StoreSettings, status: StartupStatus) -> SqlRunStore:
    store = await _retry_until(lambda: open_run_store(settings), StoreUnavailableError, settings.start_timeout, status)
    stack.push_async_callback(store.close)
    return store


def _open_publisher(stack: AsyncExitStack, client: Mapping[str, object]) -> KafkaPublisher:
    publisher = KafkaPublisher(client)
    stack.push_async_callback(publisher.close)
    return publisher


def _open_destinations(stack: AsyncExitStack, kafka: KafkaSettings, rules: RoutingRules) -> dict[str, KafkaPublisher]:
    opened = {}
    for destination in rules.destinations:
        servers = destination_servers(kafka, destination)
        publisher = KafkaPublisher(stream_client_settings(kafka, destination, servers, os.environ))
        stack.push_async_callback(publisher.close)
        opened[destination.name] = publisher
    return opened


async def _continue(
    resources: SharedResources, check: ContinuityCheck, roles: Sequence[Role], status: StartupStatus, *, accept: bool
) -> None:
    await _retry_until(
        lambda: establish_continuity(
            check, roles, accept=accept, store=resources.store, commands=resources.commands, now=utc_now
        ),
        (KafkaNotReadyError, PartitionReadError, StoreUnavailableError, PublishError),
        resources.settings.kafka.start_timeout,
        status,
    )


async def _open_envelope(kafka: KafkaSettings, status: StartupStatus) -> Envelope:
    ids = None
    if kafka.registry is not None:
        url = kafka.registry.get_secret_value()
        ids = await _retry_until(
            lambda: asyncio.to_thread(resolve_ids, url), RegistryUnavailableError, kafka.start_timeout, status
        )
    # The text of an order is written for the run store in any case: in JSON, it is not encoded a second time.
    json_models = NOTIFICATIONS | {RunRequested} if kafka.notifies_in_json else frozenset()
    codec = Codec(json_models=json_models, registry=ids, cache_bytes=DECODED_COMMAND_CACHE_BYTES)
    return Envelope(codec, source="/southbound")


async def _retry_until(
    attempt: Callable[[], Awaitable[T]],
    transient: type[Exception] | tuple[type[Exception], ...],
    seconds: float,
    status: StartupStatus,
) -> T:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await attempt()
        except transient as error:
            if time.monotonic() > deadline:
                raise
            status.wait_for(str(error))
        await asyncio.sleep(RETRY_INTERVAL)
