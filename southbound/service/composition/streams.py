"""Build the consumers of streams: of the topics that runs are ordered on, and of the results that are copied."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from consumers.metrics import STREAM_RECORDS
from consumers.northbound.streams.copy_record import RecordCopier, TenantChoice
from consumers.northbound.streams.handler import COPIED, SKIPPED, RedrivenRecordHandler, SourceHandler
from consumers.northbound.streams.notices import SourceNotices
from consumers.northbound.streams.profile import StreamFormat
from consumers.northbound.streams.read_run import ChangedRunReader
from consumers.northbound.streams.subject import SourceSubjects
from consumers.northbound.streams.take_arrival import ArrivalTaker
from consumers.runtime.dead_letters import DeadLetterHooks
from schemas.codec.registered_avro import RegisteredAvroReader
from southbound.service.composition.northbound import order_book
from southbound.service.composition.workers import assemble_worker, failure_notices, worker_config
from southbound.service.composition.writeback import WritebackSubjects
from southbound.service.roles import Role
from southbound.service.streams.clients import (
    source_clusters,
    source_consumer_settings,
    source_role,
    stream_session_timeout,
)
from southbound.service.streams.topic_checks import StreamTopicWatch, copied_topics, stream_warnings

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.metrics import WorkerMetrics
    from consumers.northbound.streams.copy_record import ChooseRecord
    from consumers.northbound.streams.profile import StreamDestination, StreamSource
    from consumers.runtime.handler import Handler
    from consumers.runtime.worker import Worker
    from southbound.service.composition.shared_resources import SharedResources
    from southbound.service.composition.tasks import BackgroundTasks


log = structlog.get_logger()
REDRIVEN = Role.INGRESS.value  # the role of the worker that processes redriven records


def ingress_workers(resources: SharedResources) -> dict[str, Worker]:
    """Build a consumer for each cluster of each source, and one for the records of all sources that were redriven."""
    workers: dict[str, Worker] = {}
    registry = resources.settings.kafka.registry
    avro = None if registry is None else RegisteredAvroReader.of_registry(registry.get_secret_value())
    for source in resources.rules.sources:
        clusters = source_clusters(resources.settings.kafka, source)
        for number in range(1, len(clusters) + 1):
            role = source_role(source, number, len(clusters))
            workers[role] = _source_worker(resources, source, role, number, avro)
    if workers:
        workers[REDRIVEN] = _redriven_worker(resources, avro)
    return workers


def egress_workers(resources: SharedResources) -> dict[str, Worker]:
    """Build a consumer of results and updates for each destination."""
    return {f"{Role.EGRESS}.{each.name}": _destination_worker(resources, each) for each in resources.rules.destinations}


def stream_watch_tasks(resources: SharedResources) -> BackgroundTasks:
    """Yield the task that checks the topics of the streams."""
    yield _topic_watch(resources).run()


def _topic_watch(resources: SharedResources) -> StreamTopicWatch:
    return StreamTopicWatch(
        check=partial(stream_warnings, resources.settings, resources.rules, os.environ),
        warn=lambda sentence: log.warning("topic of a stream", problem=sentence),
    )


def _source_worker(
    resources: SharedResources, source: StreamSource, role: str, number: int, avro: RegisteredAvroReader | None
) -> Worker:
    kafka = resources.settings.kafka
    config = replace(
        worker_config(resources, role),
        group=source.group_of(kafka.group),
        session_timeout=stream_session_timeout(kafka, source),
        gate=resources.breakers.of(source.target).reads if source.target is not None else None,
    )

    def make(may_send: Callable[[], bool], observer: WorkerMetrics) -> tuple[Handler, DeadLetterHooks]:
        handler = replace(_source_handler(resources, source, may_send), way=number, avro=avro)
        return handler.handle_record, _source_hooks(resources, observer, avro, source.name)

    servers = source_clusters(kafka, source)[number - 1]
    settings = source_consumer_settings(kafka, source, servers, config, os.environ)
    return assemble_worker(resources, config, [source.topic], make, settings)


def _redriven_worker(resources: SharedResources, avro: RegisteredAvroReader | None) -> Worker:
    def make(may_send: Callable[[], bool], observer: WorkerMetrics) -> tuple[Handler, DeadLetterHooks]:
        handlers = {
            source.name: replace(_source_handler(resources, source, may_send), avro=avro)
            for source in resources.rules.sources
        }
        handle = RedrivenRecordHandler(sources=handlers).handle_record
        return handle, _source_hooks(resources, observer, avro)

    config = worker_config(resources, REDRIVEN)
    return assemble_worker(resources, config, [resources.events.topics.ingress], make)


def _destination_worker(resources: SharedResources, destination: StreamDestination) -> Worker:
    copied = copied_topics(destination, resources.events.topics)
    copier = RecordCopier(
        topics=copied,
        publisher=resources.destinations[destination.name],
        is_chosen=_tenant_choice(resources, destination),
        on_copied=lambda: resources.metrics.count(STREAM_RECORDS, destination.name, COPIED),
        on_skipped=lambda: resources.metrics.count(STREAM_RECORDS, destination.name, SKIPPED),
    )
    subjects = WritebackSubjects(
        target=destination.name, envelope=resources.events.envelope, names=resources.events.topics
    )
    config = worker_config(resources, f"{Role.EGRESS}.{destination.name}")
    hooks = DeadLetterHooks(describe=subjects.find)
    return assemble_worker(resources, config, [*copied], lambda *_: (copier.handle_record, hooks))


def _tenant_choice(resources: SharedResources, destination: StreamDestination) -> ChooseRecord | None:
    if not destination.tenants:
        return None
    if resources.orders is None:
        raise TypeError("a destination of some tenants needs a store with orders")
    return TenantChoice(resources.orders, destination.tenants).is_chosen


def _source_handler(resources: SharedResources, source: StreamSource, may_send: Callable[[], bool]) -> SourceHandler:
    taker = ArrivalTaker(
        book=order_book(resources), source=source, parent_patience=resources.settings.routing.children_deadline
    )
    return SourceHandler(
        source=source,
        taker=taker,
        publisher=resources.events.publisher,
        lifecycle=resources.events.topics.lifecycle,
        on_record=lambda name, outcome: resources.metrics.count(STREAM_RECORDS, name, outcome),
        runs=_run_reader(resources, source, may_send),
    )


def _source_hooks(
    resources: SharedResources, observer: WorkerMetrics, avro: RegisteredAvroReader | None, name: str | None = None
) -> DeadLetterHooks:
    """Return the hooks of one source; of all sources, for redriven records, without a name."""
    sources = {source.name: source for source in resources.rules.sources}
    subjects = SourceSubjects(sources=sources, names=resources.events.topics, name=name)
    if resources.orders is None:
        return DeadLetterHooks(describe=subjects.find)
    notices = SourceNotices(
        notices=failure_notices(resources, observer), orders=resources.orders, sources=sources, name=name, avro=avro
    )
    return DeadLetterHooks(notify=notices.notify, describe=subjects.find)


def _run_reader(
    resources: SharedResources, source: StreamSource, may_send: Callable[[], bool]
) -> ChangedRunReader | None:
    if source.format is not StreamFormat.CHANGE_DATA:
        return None
    target = next(target for target in resources.rules.targets if target.name == source.target)
    return ChangedRunReader(target=target, caller=resources.make_target_caller(target, may_send))
