"""Run the service: open its resources, start its roles, and stop them in order."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from consumers.inbound.listen_socket import CannotListenError
from consumers.metrics import Metrics
from consumers.runtime.broker_check import BrokerCheck
from consumers.runtime.kafka.partition_reader import PartitionReadError
from consumers.runtime.kafka.readiness import KafkaNotReadyError
from consumers.spokes.credentials import SecretMissingError
from consumers.store.migrate import SchemaError
from consumers.store.port import StoreUnavailableError
from consumers.table_topic.live_pair import PublishedTableIds
from producers.publisher import PublishError
from schemas.codec.schema_registry import RegistryError, RegistryUnavailableError
from schemas.topics import TopicNames
from southbound.service.composition.callback_addresses import registration_mistakes
from southbound.service.composition.hub import UNSIGNED
from southbound.service.composition.registration import registration_warnings
from southbound.service.composition.role_builders import background_tasks, build_workers, start_servers
from southbound.service.garbage_collector import reduce_gc
from southbound.service.health import HealthServer
from southbound.service.lanes_report import lanes_report
from southbound.service.load_rules import InvalidConfigurationError, load_rules
from southbound.service.open_api import access_mistakes
from southbound.service.open_callbacks import open_callback_mistakes
from southbound.service.open_resources import open_resources
from southbound.service.roles import Role, TopicScope, topics_for_roles
from southbound.service.startup_status import StartupStatus
from southbound.service.store_check import StoreDiscontinuedError
from southbound.service.streams.clients import stream_mistakes
from southbound.service.streams.topic_checks import loops_by_cluster
from southbound.service.table_sources import NoLiveTablesError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

    from consumers.runtime.worker import Worker
    from southbound.service.composition.shared_resources import SharedResources
    from southbound.service.health import HealthCheck
    from southbound.service.load_rules import RoutingRules
    from southbound.settings.settings import Settings

log = structlog.get_logger()
UNREACHABLE_ERRORS = (
    KafkaNotReadyError,
    PartitionReadError,
    PublishError,
    RegistryUnavailableError,
    NoLiveTablesError,
    StoreUnavailableError,
    CannotListenError,
)


class NotConfiguredError(Exception):
    """Settings, files or secrets of an operator prevent the start."""


class NotReachableError(Exception):
    """Kafka, the database or a port is not available."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningService:
    """A service that has started: its resources, workers and ports."""

    resources: SharedResources
    workers: Mapping[str, Worker]
    listener_port: int | None
    api_port: int | None
    health_port: int


async def serve(
    settings: Settings,
    roles: Sequence[Role],
    *,
    stop: asyncio.Event,
    only_spoke: str | None = None,
    rules: RoutingRules | None = None,
    accept_empty_store: bool = False,
    on_ready: Callable[[RunningService], None] = lambda _: None,
) -> bool:
    """Run the roles until `stop` is set; return whether all work under way was finished.

    Raises:
        NotConfiguredError: files or secrets are wrong, or the run store does not continue what the gateway did.
        NotReachableError: Kafka, the store or a port is not available within its limit.
        WorkerFailedError: a worker failed and cannot continue.
    """
    async with AsyncExitStack() as stack:
        with _errors_of_start():
            service = await _start(
                stack, settings, roles, rules, only_spoke=only_spoke, accept_empty_store=accept_empty_store
            )
        reduce_gc()
        on_ready(service)
        log.info(
            "started",
            roles=[*roles],
            health=service.health_port,
            listener=service.listener_port,
            api=service.api_port,
        )
        clean = await _work(service, roles, stop)
    log.info("stopped", clean=clean)
    return clean


@contextmanager
def _errors_of_start() -> Iterator[None]:
    """Turn everything that prevents a start into one of the two errors that name who can correct it."""
    try:
        yield
    except (InvalidConfigurationError, SecretMissingError, SchemaError, StoreDiscontinuedError) as error:
        raise NotConfiguredError(str(error)) from error
    except UNREACHABLE_ERRORS as error:
        raise NotReachableError(str(error)) from error
    except RegistryError as error:
        raise NotConfiguredError(str(error)) from error


async def _start(
    stack: AsyncExitStack,
    settings: Settings,
    roles: Sequence[Role],
    rules: RoutingRules | None,
    *,
    only_spoke: str | None,
    accept_empty_store: bool,
) -> RunningService:
    """Open the ports and resources, and build the workers, which do not run yet."""
    status, metrics = StartupStatus(), Metrics()
    # Before anything else, so that a liveness probe does not kill a process that waits for Kafka.
    health = await _start_health_server(stack, settings, metrics, status)
    rules = rules or load_rules(settings.routing, settings.writeback.targets, settings.streams)
    _refuse_callback_mistakes(settings, rules, roles)
    _refuse_unsigned_events(settings, roles)
    if Role.API in roles and (mistakes := access_mistakes(settings.api.host, settings.access, os.environ)):
        raise InvalidConfigurationError(mistakes)
    if {Role.INGRESS, Role.EGRESS} & {*roles} and (mistakes := stream_mistakes(rules, settings.kafka, os.environ)):
        raise InvalidConfigurationError(mistakes)
    topics = _required_topics(settings, rules, roles, only_spoke)
    resources = await open_resources(
        stack, settings, rules, roles, topics, metrics, status, accept_empty_store=accept_empty_store
    )
    if {Role.INGRESS, Role.EGRESS} & {*roles}:
        await _refuse_loops(settings, rules)
    workers = build_workers(resources, roles, only_spoke)
    ports = await start_servers(stack, resources, roles)
    health.checks, health.warnings = _health_checks(resources, workers), partial(_warnings, resources, workers)
    health.lanes = partial(lanes_report, workers)
    return RunningService(
        resources=resources,
        workers=workers,
        listener_port=ports.get(Role.LISTENER),
        api_port=ports.get(Role.API),
        health_port=health.port,
    )


async def _refuse_loops(settings: Settings, rules: RoutingRules) -> None:
    """Refuse streams whose topics are Southbound's own, now that Kafka answers.

    Raises:
        InvalidConfigurationError: with a sentence for each.
    """
    if mistakes := await asyncio.to_thread(loops_by_cluster, settings, rules, os.environ):
        raise InvalidConfigurationError(mistakes)


async def _work(service: RunningService, roles: Sequence[Role], stop: asyncio.Event) -> bool:
    """Run the workers and the background tasks until `stop` is set; return whether all work was finished."""
    resources = service.resources
    marking = [resources.continuity.run()] if resources.continuity else []
    try:
        background = [*background_tasks(resources, roles), *marking, resources.timelines.run()]
        clean = await _run_until_stopped(stop, service.workers, background)
        await resources.timelines.flush()  # of what the workers finished last
    except StoreDiscontinuedError as error:
        raise NotConfiguredError(str(error)) from error
    return clean


def _refuse_callback_mistakes(settings: Settings, rules: RoutingRules, roles: Sequence[Role]) -> None:
    if Role.LISTENER not in roles:
        return
    mistakes = open_callback_mistakes(settings.listener.host, rules.profiles)
    if mistakes := [*mistakes, *registration_mistakes(settings.listener.public_url, rules.profiles)]:
        raise InvalidConfigurationError(mistakes)


def _refuse_unsigned_events(settings: Settings, roles: Sequence[Role]) -> None:
    if Role.HUB in roles and settings.hub.signing_key is None:
        raise InvalidConfigurationError([UNSIGNED])


def _required_topics(
    settings: Settings, rules: RoutingRules, roles: Sequence[Role], only_spoke: str | None
) -> set[str]:
    served = [profile.name for profile in rules.profiles if Role.ROUTING in roles or only_spoke in (None, profile.name)]
    published = isinstance(rules.tables, PublishedTableIds)
    scope = TopicScope(
        names=TopicNames(settings.kafka.prefix),
        spokes=served,
        published_tables=published,
        specifications=settings.routing.specifications == "topic",
        service_test_requests=settings.servicenow.requests,
    )
    return topics_for_roles(roles, scope)


async def _start_health_server(
    stack: AsyncExitStack, settings: Settings, metrics: Metrics, status: StartupStatus
) -> HealthServer:
    async def starting() -> str | None:
        return f"waiting: {status.reason}" if status.reason else None

    address = settings.health
    server = HealthServer(
        host=address.host,
        port=address.port,
        metrics=metrics,
        checks={"start": starting},
        debug_for_all=address.debug == "anyone",
    )
    await server.start()
    stack.push_async_callback(server.stop)
    return server


def _health_checks(resources: SharedResources, workers: Mapping[str, Worker]) -> Mapping[str, HealthCheck]:
    checks: dict[str, HealthCheck] = {role: _worker_check(worker) for role, worker in workers.items()}
    if not workers and resources.ask_broker is not None:  # a worker has contact with the broker all the time
        checks["kafka"] = BrokerCheck(resources.ask_broker)
    return {"store": _store_check(resources), **checks}


def _warnings(resources: SharedResources, workers: Mapping[str, Worker]) -> Mapping[str, str]:
    limited = {
        f"{role} {source}".strip(): sentence
        for role, worker in workers.items()
        for source, sentence in worker.warnings().items()
    }
    kept = {**resources.tables.warnings(), **resources.specifications.warnings()}
    return {**kept, **registration_warnings(resources), **limited}


def _store_check(resources: SharedResources) -> HealthCheck:
    async def check() -> str | None:
        try:
            await resources.store.ping()
        except StoreUnavailableError as error:
            return str(error)
        return None

    return check


def _worker_check(worker: Worker) -> HealthCheck:
    async def check() -> str | None:
        return worker.unready_reason()

    return check


async def _run_until_stopped(
    stop: asyncio.Event, workers: Mapping[str, Worker], background: Sequence[Coroutine[None, None, None]]
) -> bool:
    """Run all workers and background tasks until `stop` is set or one of them ends; then stop the others."""
    running = [asyncio.create_task(worker.run(), name=role) for role, worker in workers.items()]
    background_runs = [asyncio.create_task(task) for task in background]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *running, *background_runs], return_when=asyncio.FIRST_COMPLETED)
    for worker in workers.values():
        worker.stop()
    for task in (stopping, *background_runs):
        task.cancel()
    worker_results = await asyncio.gather(*running, return_exceptions=True)
    await asyncio.gather(stopping, return_exceptions=True)
    background_results = await asyncio.gather(*background_runs, return_exceptions=True)
    failures = [result for result in (*worker_results, *background_results) if isinstance(result, Exception)]
    if failures:
        raise failures[0]
    return all(result is True for result in worker_results)
