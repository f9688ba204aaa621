"""Build the workers and tasks of a process from the classes of `consumers`: the one place that imports them all."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

import structlog

from consumers.dead_letter_subject import SubjectFinder
from consumers.dispatch.call import Caller
from consumers.dispatch.cancel import CancelRunHandler
from consumers.dispatch.change import ChangeRunHandler
from consumers.dispatch.command_handler import CommandHandler
from consumers.dispatch.outage_notices import OutageNotices, UntriedRunNotices
from consumers.dispatch.send import SendRunHandler
from consumers.event_handler import DecodingHandler
from consumers.failure_notices import FailureNotices
from consumers.hold.holding_handler import HoldingHandler
from consumers.hold.kafka_hold_reader import KafkaHoldReader
from consumers.inbound.due_checks import DueCheckPublisher
from consumers.inbound.poller import Poller
from consumers.inbound.report_handler import ReportHandler
from consumers.metrics import (
    CALL_SECONDS,
    CALLBACKS,
    CALLS,
    CIRCUIT_OPEN,
    COMMANDS_REPEATED,
    DEFINITIONS_USED_UP,
    INPUTS_MISSING,
    REPORTS_IGNORED,
    REQUESTS_WAITING,
    RUNS_ENDED,
    RUNS_PRUNED,
    UNKNOWN_STATES,
    WRONG_KEYS,
    WorkerMetrics,
)
from consumers.prune_store import StorePruner
from consumers.record_sources import producer_of, spoke_of
from consumers.routing.assemble_hierarchy import HierarchyAssembler
from consumers.routing.cancel_run import RunCancelledHandler
from consumers.routing.change_hierarchy import HierarchyChanger
from consumers.routing.change_run import RunChangedHandler
from consumers.routing.commands import CommandPublisher
from consumers.routing.decide import Decider
from consumers.routing.lifecycle_handler import LifecycleHandler, RunRequestedHandler
from consumers.routing.repeat_commands import CommandRepeater
from consumers.routing.route_request import RequestRouter
from consumers.routing.waiting.expire import PendingRequestExpiry
from consumers.routing.waiting.release import WaitingQueueReleaser
from consumers.routing.waiting.threshold_cache import ThresholdCache
from consumers.run_updates.announce import Announcer
from consumers.run_updates.updater import RunUpdater
from consumers.runtime.config import WorkerConfig, consumer_settings
from consumers.runtime.dead_letters import DeadLetterHooks
from consumers.runtime.faults import ProblemReporter
from consumers.runtime.kafka.consumer import KafkaGroupConsumer
from consumers.runtime.worker import Worker
from consumers.spokes.limits.circuit_breaker import Breakers
from consumers.spokes.profile import ResultChannel
from consumers.spokes.registry import spoke_for
from router.runs.hierarchy_limits import HierarchyLimits
from southbound.service.kafka_settings import member_overrides, session_timeout, standalone_consumer_settings
from southbound.service.logs import log_problem
from southbound.service.store_check import RecordedEvents, read_topic_ends

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.dispatch.call import CallObserver
    from consumers.event_handler import EventHandler
    from consumers.inbound.listener import CountCallback
    from consumers.metrics import Metrics
    from consumers.runtime.handler import Handler, Record, StartGate
    from consumers.spokes.limits.circuit_breaker import CircuitBreaker
    from consumers.spokes.port import Spoke, SpokeCaller
    from consumers.store.port import RunStore
    from producers.event_publisher import EventPublisher
    from router.responses import Purpose, Verdict
    from router.runs.run import RunRow
    from router.selection.thresholds import ThresholdUse
    from router.store_continuity import TopicEnds
    from schemas.problem import Problem
    from schemas.results import RunResult
    from southbound.service.load_rules import RoutingRules
    from southbound.service.store_check import ContinuityCheck
    from southbound.service.table_sources import TableSource
    from southbound.settings.settings import KafkaSettings, Settings

HANGING_AFTER = 1.0  # seconds; reading a run at its system takes less, unless the system is in trouble
MAX_EXPIRY_CHECK_INTERVAL = 15.0  # seconds between two searches for overdue requests
log = structlog.get_logger()


def utc_now() -> datetime:
    """Return the current time in UTC; all parts of the service read the clock here."""
    return datetime.now(UTC)


def _log_used_up(use: ThresholdUse) -> None:
    log.info("definition used up", definition=use.definition, until=use.window.end.isoformat())


def _log_breaker(spoke: str, calls: str, breaker: CircuitBreaker) -> None:
    if breaker.is_shut():
        log.warning(
            "system is down: no calls are made, one at a time finds out whether it is back",
            spoke=spoke,
            calls=calls,
            problem=breaker.reason,
        )
    else:
        log.info("system is back", spoke=spoke, calls=calls)


def _log_waiting(run_id: str, definitions: tuple[str, ...]) -> None:
    log.info("request waiting for threshold", run=run_id, definitions=[*definitions])


@dataclass(frozen=True, kw_only=True)  # without slots: a cached property is kept in the instance's dictionary
class SharedResources:
    """What all roles of a process share: each resource is opened or built once."""

    settings: Settings
    rules: RoutingRules
    tables: TableSource
    store: RunStore
    events: EventPublisher
    client: SpokeCaller
    metrics: Metrics
    continuity: ContinuityCheck | None = None  # None: no role of this process uses the store
    recorded: TopicEnds | None = None  # of the lifecycle events that a lost store may have processed
    threshold_cache: ThresholdCache = field(default_factory=lambda: ThresholdCache(_log_used_up))

    @cached_property
    def updater(self) -> RunUpdater:
        """The updater of runs. It stores concurrent updates of all handlers together (ADR-0021)."""
        announcer = Announcer(events=self.events, now=utc_now)
        return RunUpdater(store=self.store, announcer=announcer, now=utc_now, on_ended=_result_counter(self.metrics))

    @cached_property
    def decide(self) -> Decider:
        """The decider by the live tables, with its cache of routes."""
        return Decider(tables=self.tables.current, on_missing_input=_missing_input_counter(self.metrics))

    @cached_property
    def commands(self) -> CommandPublisher:
        """The publisher of commands to dispatch."""
        return CommandPublisher(self.updater.announcer)

    @cached_property
    def limits(self) -> HierarchyLimits:
        """The largest size and depth of a hierarchy."""
        return HierarchyLimits(max_runs=self.settings.routing.max_runs, max_depth=self.settings.routing.max_depth)

    @cached_property
    def route(self) -> RequestRouter:
        """The router of whole requests."""
        return RequestRouter(
            updater=self.updater,
            commands=self.commands,
            decider=self.decide,
            limits=self.limits,
            threshold_cache=self.threshold_cache,
            on_waiting=_log_waiting,
        )

    @cached_property
    def spokes(self) -> Mapping[str, Spoke]:
        """The spoke of each profile, which translates commands and responses."""
        return {profile.name: spoke_for(profile) for profile in self.rules.profiles}

    @cached_property
    def breakers(self) -> Breakers:
        """The circuit breakers of all systems: what one role finds out about a system holds for all roles."""
        policies = {profile.name: profile.circuit_breaker.policy() for profile in self.rules.profiles}
        breakers = Breakers(policies, utc_now, random.random, _log_breaker)
        for name in policies:
            for calls, breaker in (("writes", breakers.of(name).writes), ("reads", breakers.of(name).reads)):
                self.metrics.track(CIRCUIT_OPEN, breaker.is_shut, name, calls)
        return breakers

    def make_caller(self, may_send: Callable[[], bool]) -> Caller:
        """Return a caller of external systems.

        `may_send` is checked before each call; it returns whether this process is still a member of its group.
        """
        return Caller(
            breakers=self.breakers,
            spokes=self.spokes,
            client=self.client,
            now=utc_now,
            random=random.random,  # jitter, not a secret
            may_send=may_send,
            on_call=_call_observer(self.metrics),
        )


def build_poller(resources: SharedResources) -> Poller | None:
    """Build the poller, or return None if no profile is polled. It owns no partitions, so it may always send."""
    if not any(ResultChannel.POLL in profile.result_channels for profile in resources.rules.profiles):
        return None
    return Poller(
        caller=resources.make_caller(lambda: True),
        store=resources.store,
        events=resources.events,
        now=utc_now,
        warn=lambda sentence: log.warning("polling failed; retrying", problem=sentence),
    )


def build_run_checker(resources: SharedResources) -> DueCheckPublisher:
    """Build the task of the role `inbound` that publishes the checks of runs of which something is missing."""
    return DueCheckPublisher(
        store=resources.store,
        events=resources.events,
        now=utc_now,
        warn=lambda sentence: log.warning("checks of runs failed; retrying", problem=sentence),
    )


def callback_counter(metrics: Metrics) -> CountCallback:
    """Return a function that counts callbacks by spoke and outcome."""
    return lambda spoke, outcome: metrics.count(CALLBACKS, spoke, outcome)


def pending_request_expiry(resources: SharedResources) -> PendingRequestExpiry:
    """Build the task of the role `routing` that gives up requests whose children never arrive."""
    deadline = resources.settings.routing.children_deadline
    return PendingRequestExpiry(
        updater=resources.updater,
        deadline=deadline,
        every=min(deadline / 4, MAX_EXPIRY_CHECK_INTERVAL),
        warn=lambda sentence: log.warning("expiry of overdue requests failed; retrying", problem=sentence),
    )


def command_repeater(resources: SharedResources) -> CommandRepeater:
    """Build the task of the role `routing` that publishes the commands of runs again that nothing moves on."""
    return CommandRepeater(
        updater=resources.updater,
        commands=resources.commands,
        warn=lambda sentence: log.warning("repetition of commands failed; retrying", problem=sentence),
        on_repeated=repetition_counter(resources.metrics),
    )


def store_pruner(resources: SharedResources) -> StorePruner | None:
    """Build the task of the role `routing` that deletes ended runs, or return None if all are kept."""
    days = resources.settings.store.keep_ended
    if not days:
        return None

    def count(runs: int) -> None:
        resources.metrics.count(RUNS_PRUNED, by=runs)
        log.info("ended runs deleted", runs=runs, older_than_days=days)

    return StorePruner(
        pruning=resources.store.pruning,
        keep=timedelta(days=days),
        now=utc_now,
        warn=lambda sentence: log.warning("deletion of ended runs failed; retrying", problem=sentence),
        on_pruned=count,
    )


def untried_run_notices(resources: SharedResources) -> UntriedRunNotices:
    """Build the task of the role `dispatch` that tells of runs which wait for a system that is down."""
    return UntriedRunNotices(
        updater=resources.updater,
        caller=resources.make_caller(lambda: True),
        warn=lambda sentence: log.warning("updates about an outage failed; retrying", problem=sentence),
    )


def waiting_queue_releaser(resources: SharedResources) -> WaitingQueueReleaser:
    """Build the task of the role `routing` that releases requests which wait for a threshold."""
    releaser = WaitingQueueReleaser(
        updater=resources.updater,
        commands=resources.commands,
        router=resources.route,
        decider=resources.decide,
        threshold_cache=resources.threshold_cache,
        warn=lambda sentence: log.warning("release of waiting requests failed; retrying", problem=sentence),
    )
    resources.metrics.track(REQUESTS_WAITING, lambda: releaser.waiting_requests, "routing")
    resources.metrics.track(DEFINITIONS_USED_UP, lambda: resources.threshold_cache.count_used_up(utc_now()), "routing")
    return releaser


def lifecycle_handler(
    updater: RunUpdater, commands: CommandPublisher, route: RequestRouter, limits: HierarchyLimits
) -> LifecycleHandler:
    """Build the handler of lifecycle events from the handlers of each event type."""
    assembler = HierarchyAssembler(updater=updater, commands=commands, router=route, limits=limits)
    changer = HierarchyChanger(updater=updater, assembler=assembler, limits=limits)
    return LifecycleHandler(
        run_requested=RunRequestedHandler(router=route, assembler=assembler),
        run_changed=RunChangedHandler(
            updater=updater, commands=commands, assembler=assembler, hierarchy_changer=changer
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
    return _build_worker(
        resources,
        "routing",
        resources.events.topics.lifecycle,
        lambda _: routing.handle,
        source_of=producer_of,
        notifies=True,
    )


def dispatch_worker(resources: SharedResources, spoke: str) -> Worker:
    """Build the consumer of the commands for one spoke."""

    def handler(may_send: Callable[[], bool]) -> EventHandler:
        return command_handler(resources.updater, resources.make_caller(may_send)).handle

    return _build_worker(
        resources,
        f"dispatch.{spoke}",
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
            on_ignored=lambda spoke: resources.metrics.count(REPORTS_IGNORED, spoke),
        ).handle

    return _build_worker(
        resources, "inbound", resources.events.topics.inbound, handler, source_of=spoke_of, hanging_after=HANGING_AFTER
    )


def _build_worker(
    resources: SharedResources,
    role: str,
    topic: str,
    handler: Callable[[Callable[[], bool]], EventHandler],
    *,
    source_of: Callable[[Record], str] | None = None,
    hanging_after: float | None = None,
    notifies: bool = False,
    gate: StartGate | None = None,
) -> Worker:
    """Build a worker; with `notifies`, it publishes an update about each request that becomes a dead letter."""
    config = _worker_config(resources, role, source_of=source_of, hanging_after=hanging_after, gate=gate)
    observer = WorkerMetrics(resources.metrics, role, log_problem)
    # The handler needs `may_send` of the worker, and the worker needs the handler, so one is looked up at each call.
    workers: list[Worker] = []
    handle = handler(lambda: workers[0].may_send())  # noqa: PLW0108 - not built yet
    notices = FailureNotices(
        updater=resources.updater, envelope=resources.events.envelope, warn=observer.problem_reported
    )
    subjects = SubjectFinder(
        store=resources.updater.store, envelope=resources.events.envelope, names=resources.events.topics
    )
    hooks = DeadLetterHooks(notify=notices.notify if notifies else None, describe=subjects.find)
    handle_record: Handler = _decoding_handler(resources, role, topic, handle, observer).handle_record
    if (holding := _make_holding(resources, topic, handle_record, subjects)) is not None:
        handle_record = holding.handle_record
        hooks = replace(hooks, describe=holding.describe, hold=holding.hold)
    workers.append(
        Worker(
            consumer=_group_consumer(resources, config, topic),
            handler=handle_record,
            publisher=resources.events.publisher,
            config=config,
            observer=observer,
            clock=time.monotonic,
            hooks=hooks,
        )
    )
    observer.track(workers[0].figures)
    return workers[0]


def _worker_config(
    resources: SharedResources,
    role: str,
    *,
    source_of: Callable[[Record], str] | None,
    hanging_after: float | None,
    gate: StartGate | None,
) -> WorkerConfig:
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
        source_of=source_of,
        hanging_after=hanging_after,
        gate=gate,
    )


def _group_consumer(resources: SharedResources, config: WorkerConfig, topic: str) -> KafkaGroupConsumer:
    kafka = resources.settings.kafka
    return KafkaGroupConsumer(
        consumer_settings(kafka.servers, config, member_overrides(kafka, config.role)),
        [topic],
        session_timeout=config.session_timeout,
        revoke_timeout=config.revoke_timeout,
    )


def _decoding_handler(
    resources: SharedResources, role: str, topic: str, handle: EventHandler, observer: WorkerMetrics
) -> DecodingHandler:
    recorded = resources.recorded if resources.recorded and resources.recorded.topic == topic else None
    return DecodingHandler(
        handle,
        resources.events.envelope,
        may_repeat=_recorded_events(resources.settings.kafka, recorded).include if recorded else None,
        on_wrong_key=wrong_key_counter(resources.metrics, role, ProblemReporter(observer)),
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


def wrong_key_counter(metrics: Metrics, role: str, reporter: ProblemReporter) -> Callable[[Record, Problem], None]:
    """Count every record with a wrong key, and log the first one of each half minute."""

    def count(record: Record, problem: Problem) -> None:
        metrics.count(WRONG_KEYS, role, record.partition.topic)
        partition = record.partition
        where = f"{partition.topic}[{partition.number}] offset {record.offset}"
        reporter.report(replace(problem, sentence=f"{where}: {problem.sentence}"), time.monotonic())

    return count


def repetition_counter(metrics: Metrics) -> Callable[[RunRow], None]:
    """Count and log runs whose commands are published again."""

    def count(row: RunRow) -> None:
        metrics.count(COMMANDS_REPEATED, row.spoke, row.phase)
        log.warning(
            "run not moved for a day: its command is published again",
            run=row.run_id,
            spoke=row.spoke,
            phase=row.phase,
            since=row.updated_at.isoformat(),
        )

    return count


def _missing_input_counter(metrics: Metrics) -> Callable[[str, str], None]:
    return lambda table, name: metrics.count(INPUTS_MISSING, table, name)


def _call_observer(metrics: Metrics) -> CallObserver:
    def count(spoke: str, purpose: Purpose, verdict: Verdict, seconds: float) -> None:
        metrics.count(CALLS, spoke, purpose, verdict)
        metrics.observe_duration(CALL_SECONDS, seconds, spoke, purpose)

    return count


def _result_counter(metrics: Metrics) -> Callable[[RunResult], None]:
    def count(result: RunResult) -> None:
        metrics.count(RUNS_ENDED, result.spoke, result.state, result.result or "none")
        log.info("run ended", run=result.run_id, spoke=result.spoke, state=result.state, result=result.result)

    return count
