"""Build the consumers of streams: of the topics that runs are ordered on, and of the results that are copied."""

from __future__ import annotations

import os
import random
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from consumers.metrics import STREAM_RECORDS, WorkerMetrics
from consumers.northbound.streams.copy_record import RecordCopier
from consumers.northbound.streams.handler import COPIED, RedrivenRecordHandler, SourceHandler
from consumers.northbound.streams.profile import StreamFormat
from consumers.northbound.streams.read_run import ChangedRunReader
from consumers.northbound.streams.subject import SourceSubjects
from consumers.northbound.streams.take_arrival import ArrivalTaker
from consumers.northbound.writeback.target_caller import TargetCaller
from consumers.runtime.config import WorkerConfig, consumer_settings
from consumers.runtime.dead_letters import DeadLetterHooks
from consumers.runtime.kafka.consumer import KafkaGroupConsumer
from consumers.runtime.worker import Worker
from southbound.service.composition.northbound import order_book
from southbound.service.composition.observers import call_observer
from southbound.service.composition.shared_resources import utc_now
from southbound.service.composition.writeback import WritebackSubjects
from southbound.service.kafka_settings import member_overrides, session_timeout
from southbound.service.logs import log_problem
from southbound.service.streams.clients import source_clusters, source_consumer_settings, stream_session_timeout
from southbound.service.streams.topic_checks import StreamTopicWatch, copied_topics, stream_warnings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from consumers.northbound.streams.profile import StreamDestination, StreamSource
    from consumers.runtime.dead_letters import Describe
    from consumers.runtime.handler import Handler
    from southbound.service.composition.shared_resources import SharedResources

    Tasks = Iterator[Coroutine[None, None, None]]

log = structlog.get_logger()
REDRIVEN = "ingress"  # the role of the worker that processes redriven records


def ingress_workers(resources: SharedResources) -> dict[str, Worker]:
    """Build a consumer for each cluster of each source, and one for the records of all sources that were redriven."""
    workers: dict[str, Worker] = {}
    for source in resources.rules.sources:
        clusters = source_clusters(resources.settings.kafka, source)
        for number in range(1, len(clusters) + 1):
            role = f"ingress.{source.name}" if len(clusters) == 1 else f"ingress.{source.name}.{number}"
            workers[role] = _source_worker(resources, source, role, number)
    if workers:
        workers[REDRIVEN] = _redriven_worker(resources)
    return workers


def egress_workers(resources: SharedResources) -> dict[str, Worker]:
    """Build a consumer of results and updates for each destination."""
    return {f"egress.{each.name}": _destination_worker(resources, each) for each in resources.rules.destinations}


def stream_watch_tasks(resources: SharedResources) -> Tasks:
    """Yield the task that checks the topics of the streams."""
    yield _topic_watch(resources).run()


def _topic_watch(resources: SharedResources) -> StreamTopicWatch:
    return StreamTopicWatch(
        check=partial(stream_warnings, resources.settings, resources.rules, os.environ),
        warn=lambda sentence: log.warning("topic of a stream", problem=sentence),
    )


def _source_worker(resources: SharedResources, source: StreamSource, role: str, number: int) -> Worker:
    kafka = resources.settings.kafka
    servers = source_clusters(kafka, source)[number - 1]
    config = replace(
        _config(resources, role),
        group=source.group_of(kafka.group),
        session_timeout=stream_session_timeout(kafka, source),
        gate=resources.breakers.of(source.target).reads if source.target is not None else None,
    )
    workers: list[Worker] = []
    may_send = lambda: workers[0].may_send()  # noqa: E731, PLW0108 - not built yet
    handler = replace(_source_handler(resources, source, may_send), way=number)
    settings = source_consumer_settings(kafka, source, servers, config, os.environ)
    workers.append(
        _worker(
            resources, config, settings, [source.topic], handler.handle_record, _subjects(resources, source.name).find
        )
    )
    return workers[0]


def _redriven_worker(resources: SharedResources) -> Worker:
    workers: list[Worker] = []
    may_send = lambda: workers[0].may_send()  # noqa: E731, PLW0108 - not built yet
    handlers = {source.name: _source_handler(resources, source, may_send) for source in resources.rules.sources}
    config, topics = _config(resources, REDRIVEN), [resources.events.topics.ingress]
    handle = RedrivenRecordHandler(sources=handlers).handle_record
    workers.append(
        _worker(resources, config, _own_settings(resources, config), topics, handle, _subjects(resources).find)
    )
    return workers[0]


def _destination_worker(resources: SharedResources, destination: StreamDestination) -> Worker:
    copied = copied_topics(destination, resources.events.topics)
    config = _config(resources, f"egress.{destination.name}")
    copier = RecordCopier(
        topics=copied,
        publisher=resources.destinations[destination.name],
        on_copied=lambda: resources.metrics.count(STREAM_RECORDS, destination.name, COPIED),
    )
    subjects = WritebackSubjects(
        target=destination.name, envelope=resources.events.envelope, names=resources.events.topics
    )
    return _worker(resources, config, _own_settings(resources, config), [*copied], copier.handle_record, subjects.find)


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


def _subjects(resources: SharedResources, name: str | None = None) -> SourceSubjects:
    sources = {source.name: source for source in resources.rules.sources}
    return SourceSubjects(sources=sources, names=resources.events.topics, name=name)


def _run_reader(
    resources: SharedResources, source: StreamSource, may_send: Callable[[], bool]
) -> ChangedRunReader | None:
    if source.format is not StreamFormat.CHANGE_DATA:
        return None
    target = next(target for target in resources.rules.targets if target.name == source.target)
    caller = TargetCaller(
        targets={target.name: target},
        client=resources.client,
        now=utc_now,
        random=random.random,  # jitter, not a secret
        may_send=may_send,
        on_call=call_observer(resources.metrics, resources.timelines),
        breakers=resources.breakers,
    )
    return ChangedRunReader(target=target, caller=caller)


def _config(resources: SharedResources, role: str) -> WorkerConfig:
    settings = resources.settings
    return WorkerConfig(
        role=role,
        group=settings.kafka.group_of(role),
        dead_letter_topic=resources.events.topics.dlq,
        max_in_flight=settings.worker.max_in_flight,
        commit_every=settings.worker.commit_every,
        drain_timeout=settings.worker.drain,
        revoke_timeout=settings.worker.drain,
        stuck_after=settings.worker.stuck_after,
        session_timeout=session_timeout(settings.kafka),
    )


def _own_settings(resources: SharedResources, config: WorkerConfig) -> dict[str, object]:
    kafka = resources.settings.kafka
    return consumer_settings(kafka.servers, config, member_overrides(kafka, config.role))


def _worker(
    resources: SharedResources,
    config: WorkerConfig,
    settings: dict[str, object],
    topics: Sequence[str],
    handler: Handler,
    describe: Describe,
) -> Worker:
    observer = WorkerMetrics(resources.metrics, config.role, log_problem)
    worker = Worker(
        consumer=KafkaGroupConsumer(
            settings, topics, session_timeout=config.session_timeout, revoke_timeout=config.revoke_timeout
        ),
        handler=handler,
        publisher=resources.events.publisher,
        config=config,
        observer=observer,
        clock=time.monotonic,
        hooks=DeadLetterHooks(describe=describe),
    )
    observer.track(worker.figures)
    return worker
