"""Build the workers of the roles, each a consumer of one topic with its handler."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from consumers.dead_letter_subject import SubjectFinder
from consumers.dispatch.cancel import CancelRunHandler
from consumers.dispatch.change import ChangeRunHandler
from consumers.dispatch.command_handler import CommandHandler
from consumers.dispatch.outage_notices import OutageNotices
from consumers.dispatch.send import SendRunHandler
from consumers.event_handler import DecodingHandler
from consumers.failure_notices import FailureNotices
from consumers.hold.holding_handler import HoldingHandler
from consumers.hold.kafka_hold_reader import KafkaHoldReader
from consumers.inbound.report_handler import ReportHandler
from consumers.metrics import (
    REPORTS_IGNORED,
    RUNS_IN_JEOPARDY,
    UNKNOWN_STATES,
    WorkerMetrics,
)
from consumers.record_sources import producer_of, spoke_of
from consumers.routing.assemble_hierarchy import HierarchyAssembler
from consumers.routing.cancel_run import RunCancelledHandler
from consumers.routing.change_hierarchy import HierarchyChanger
from consumers.routing.change_run import RunChangedHandler
from consumers.routing.lifecycle_handler import LifecycleHandler, RunRequestedHandler
from consumers.runtime.config import WorkerConfig, consumer_settings
from consumers.runtime.dead_letters import DeadLetterHooks
from consumers.runtime.faults import ProblemReporter
from consumers.runtime.kafka.consumer import KafkaGroupConsumer
from consumers.runtime.worker import Worker
from southbound.service.composition.observers import wrong_key_counter
from southbound.service.kafka_settings import member_overrides, session_timeout, standalone_consumer_settings
from southbound.service.logs import log_problem
from southbound.service.roles import Role
from southbound.service.store_check import RecordedEvents, read_topic_ends

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumers.dispatch.call import Caller
    from consumers.event_handler import EventHandler
    from consumers.routing.commands import CommandPublisher
    from consumers.routing.route_request import RequestRouter
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.dead_letters import Describe
    from consumers.runtime.handler import Handler, Record, StartGate
    from router.runs.hierarchy_limits import HierarchyLimits
    from router.store_continuity import TopicEnds
    from southbound.service.composition.shared_resources import SharedResources
    from southbound.settings.settings import KafkaSettings

HANGING_AFTER = 1.0  # seconds; reading a run at its system takes less, unless the system is overloaded or down


def lifecycle_handler(
    updater: RunUpdater, commands: CommandPublisher, route: RequestRouter, limits: HierarchyLimits
) -> LifecycleHandler:
    """Build the handler of lifecycle events from the handlers of each event type."""
    assembler = HierarchyAssembler(updater=updater, commands=commands, router=route, limits=limits)
    changer = HierarchyChanger(updater=updater, assembler=assembler, limits=limits, decider=route.decider)
    return LifecycleHandler(
        run_requested=RunRequestedHandler(router=route, assembler=assembler),
        run_changed=RunChangedHandler(
            updater=updater,
            commands=commands,
            assembler=assembler,
            hierarchy_changer=changer,
            decider=route.decider,
        ),
        run_cancelled=RunCancelledHandler(updater=updater, assembler=assembler),
    )


def command_handler(updater: RunUpdater, caller: Caller) -> CommandHandler:
    """Build the handler of commands from the handlers of each command."""
    return CommandHandler(
        send=SendRunHandler(updater=updater, caller=caller),
        change=ChangeRunHandler(updater=updater, caller=caller),
        cancel=CancelRunHandler(updater=updater, caller=caller),
        outage_notices=OutageNotices(updater=updater, caller=caller),
    )


def routing_worker(resources: SharedResources) -> Worker:
    """Build the consumer of lifecycle events."""
    routing = lifecycle_handler(resources.updater, resources.commands, resources.route, resources.limits)
    return build_worker(
        resources,
        Role.ROUTING.value,
        resources.events.topics.lifecycle,
        lambda _: routing.handle,
        source_of=producer_of,
        notifies=True,
    )


def dispatch_worker(resources: SharedResources, spoke: str) -> Worker:
    """Build the consumer of the commands for one spoke."""

    def handler(may_send: Callable[[], bool]) -> EventHandler:
        return command_handler(resources.updater, resources.make_caller(may_send)).handle

    return build_worker(
        resources,
        f"{Role.DISPATCH}.{spoke}",
        resources.events.topics.dispatch(spoke),
        handler,
        notifies=True,
        gate=resources.breakers.of(spoke).writes,
    )


def inbound_worker(resources: SharedResources) -> Worker:
    """Build the consumer of reports from external systems."""

    def handler(may_send: Callable[[], bool]) -> EventHandler:
        return ReportHandler(
            updater=resources.updater,
            caller=resources.make_caller(may_send),
            on_unknown_state=lambda spoke: resources.metrics.count(UNKNOWN_STATES, spoke),
            on_jeopardy=lambda spoke: resources.metrics.count(RUNS_IN_JEOPARDY, spoke),
            on_ignored=lambda spoke: resources.metrics.count(REPORTS_IGNORED, spoke),
        ).handle

    return build_worker(
        resources,
        Role.INBOUND.value,
        resources.events.topics.inbound,
        handler,
        source_of=spoke_of,
        hanging_after=HANGING_AFTER,
    )


def build_worker(  # noqa: PLR0913 - what only some roles need has a default
    resources: SharedResources,
    role: str,
    topic: str,
    handler: Callable[[Callable[[], bool]], EventHandler],
    *,
    source_of: Callable[[Record], str] | None = None,
    hanging_after: float | None = None,
    notifies: bool = False,
    gate: StartGate | None = None,
    more_topics: Sequence[str] = (),
    describe: Describe | None = None,
) -> Worker:
    """Build a worker; with `notifies`, it publishes an update about each request that becomes a dead letter.

    `more_topics` are read beside `topic`. `describe` finds what a dead letter is about, where that is not a request.
    """
    config = replace(worker_config(resources, role), source_of=source_of, hanging_after=hanging_after, gate=gate)

    def make(may_send: Callable[[], bool], observer: WorkerMetrics) -> tuple[Handler, DeadLetterHooks]:
        notices = failure_notices(resources, observer)
        subjects = SubjectFinder(
            store=resources.updater.store, envelope=resources.events.envelope, names=resources.events.topics
        )
        hooks = DeadLetterHooks(notify=notices.notify if notifies else None, describe=describe or subjects.find)
        handle_record = _decoding_handler(resources, role, topic, handler(may_send), observer).handle_record
        holding = _make_holding(resources, topic, handle_record, subjects)
        if holding is None:
            return handle_record, hooks
        return holding.handle_record, replace(hooks, describe=holding.describe, hold=holding.hold)

    return assemble_worker(resources, config, [topic, *more_topics], make)


def failure_notices(resources: SharedResources, observer: WorkerMetrics) -> FailureNotices:
    """Return what tells of requests that become dead letters."""
    return FailureNotices(
        updater=resources.updater,
        envelope=resources.events.envelope,
        warn=observer.problem_reported,
        orders=resources.orders,
    )


def assemble_worker(
    resources: SharedResources,
    config: WorkerConfig,
    topics: Sequence[str],
    make: Callable[[Callable[[], bool], WorkerMetrics], tuple[Handler, DeadLetterHooks]],
    client_settings: dict[str, object] | None = None,
) -> Worker:
    """Build a worker. `make` returns its handler and hooks, from `may_send` of the worker and its observer.

    `client_settings` are those of the consumer for topics of another cluster; None: for our own topics.
    """
    observer = WorkerMetrics(resources.metrics, config.role, log_problem)
    # The handler needs `may_send` of the worker, and the worker needs the handler, so one is looked up at each call.
    workers: list[Worker] = []
    handler, hooks = make(lambda: workers[0].may_send(), observer)  # noqa: PLW0108 - not built yet
    workers.append(
        Worker(
            consumer=_group_consumer(resources, config, topics, client_settings),
            handler=handler,
            publisher=resources.events.publisher,
            config=config,
            observer=observer,
            clock=time.monotonic,
            hooks=hooks,
        )
    )
    observer.track(workers[0].figures)
    return workers[0]


def worker_config(resources: SharedResources, role: str) -> WorkerConfig:
    """Return what the settings say of the worker of a role."""
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


def _group_consumer(
    resources: SharedResources, config: WorkerConfig, topics: Sequence[str], settings: dict[str, object] | None
) -> KafkaGroupConsumer:
    kafka = resources.settings.kafka
    return KafkaGroupConsumer(
        settings or consumer_settings(kafka.servers, config, member_overrides(kafka, config.role)),
        topics,
        session_timeout=config.session_timeout,
        revoke_timeout=config.revoke_timeout,
    )


def _decoding_handler(
    resources: SharedResources, role: str, topic: str, handle: EventHandler, observer: WorkerMetrics
) -> DecodingHandler:
    recorded = resources.recorded if resources.recorded and resources.recorded.topic == topic else None
    is_lifecycle = topic == resources.events.topics.lifecycle
    return DecodingHandler(
        handle,
        resources.events.envelope,
        may_repeat=_recorded_events(resources.settings.kafka, recorded).include if recorded else None,
        on_wrong_key=wrong_key_counter(resources.metrics, role, ProblemReporter(observer)),
        refuses_wrong_keys=is_lifecycle and resources.settings.kafka.wrong_key == "refuse",
    )


def _recorded_events(kafka: KafkaSettings, recorded: TopicEnds) -> RecordedEvents:
    return RecordedEvents(recorded, partial(read_topic_ends, standalone_consumer_settings(kafka), recorded.topic))


def _make_holding(
    resources: SharedResources, topic: str, handler: Handler, subjects: SubjectFinder
) -> HoldingHandler | None:
    """Return the handler that lets records wait behind dead letters of their key; None if the topic continues."""
    settings, names = resources.settings, resources.events.topics
    if not settings.worker.holds(topic.removeprefix(f"{names.prefix}testrun.")):
        return None
    reader = KafkaHoldReader(
        standalone_consumer_settings(settings.kafka), topic=topic, dlq=names.dlq, status=names.dlq_status
    )
    return HoldingHandler(inner=handler, describe_subject=subjects.find, reader=reader)
