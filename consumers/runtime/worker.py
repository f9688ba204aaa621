"""Run handlers over the records of a consumer group, and commit what is finished.

The worker owns all run-time state.

Everything here happens on the event loop. What happens outside (batches, rebalances, responses to commits) arrives as
events of the port; what handlers decide arrives as outcomes.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, assert_never

from consumers.runtime import consumer_port as port
from consumers.runtime.backpressure import Backpressure
from consumers.runtime.commits.committer import Committer
from consumers.runtime.commits.finished_offsets import NOTHING_FINISHED
from consumers.runtime.commits.offsets import OffsetTracker
from consumers.runtime.dead_letters import NO_HOOKS, DeadLetterPublisher
from consumers.runtime.execution import HandlerExecution, RecordTasks
from consumers.runtime.faults import ProblemReporter, internal_problem
from consumers.runtime.handler import DeadLetter, Done, RetryLater
from consumers.runtime.kafka.membership import proof_duration
from consumers.runtime.lanes import Lanes
from consumers.runtime.monitoring import (
    AttemptEnded,
    NullObserver,
    partition_statuses,
    unfinished_record,
    worker_figures,
)
from consumers.runtime.sources import Sources
from consumers.runtime.stuck_records import StuckRecords

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from consumers.runtime.commits.finished_offsets import FinishedOffsets
    from consumers.runtime.config import WorkerConfig
    from consumers.runtime.dead_letters import DeadLetterHooks
    from consumers.runtime.handler import Attempt, Handler, Outcome, Partition, Record
    from consumers.runtime.monitoring import Observer, PartitionStatus, UnfinishedRecord, WorkerFigures
    from producers.publisher import Publisher
    from schemas.problem import Problem


UNREADY_AFTER = 10.0  # seconds without a response of a broker, or without intake


class WorkerFailedError(Exception):
    """The worker had to stop; the message says why."""


class Worker:
    """One consumer with its lanes. `run` works until `stop`; cancelling `run` stops hard."""

    def __init__(
        self,
        *,
        consumer: port.GroupConsumer,
        handler: Handler,
        publisher: Publisher,
        config: WorkerConfig,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter_source: Callable[[], float] = random.random,
        hooks: DeadLetterHooks = NO_HOOKS,
    ) -> None:
        """`hooks` are awaited before a dead letter is published."""
        self._consumer = consumer
        self._config = config
        self._observer = observer or NullObserver()
        self._problems = ProblemReporter(self._observer)
        self._clock = clock
        self._runner = HandlerExecution(handler, config, jitter_source)
        self._dead_letters = DeadLetterPublisher(
            publisher, config, lambda: datetime.now(UTC), jitter_source, hooks.notify, hooks.describe, hooks.hold
        )
        self._lanes = Lanes()
        self._prioritised: Sequence[Worker] = ()  # their records come before ours
        self._offsets = OffsetTracker()
        self._backpressure = Backpressure(config.watermarks)
        self._sources = Sources(config)
        self._stuck = StuckRecords(config.stuck_after)
        self._tasks = RecordTasks(self._guarded)
        self._committer = Committer(consumer, self._offsets, self._observer, clock)
        self._revoked: frozenset[Partition] = frozenset()
        self._revoke_timer: asyncio.TimerHandle | None = None
        self._intake_stopped_at: float | None = None  # since when every partition is paused
        self._poll_requested = False
        self._stopping = False
        self._closed = False
        self._failure: Problem | None = None
        self._stop_requested = asyncio.Event()
        self._changed = asyncio.Event()

    async def run(self) -> bool:
        """Work until `stop`; return whether everything that ran was finished and committed.

        Raises:
            WorkerFailedError: Kafka or a programming error stopped it.
        """
        self._loop = asyncio.get_running_loop()
        self._consumer.start(lambda event: self._guarded(self._handle_event, event))
        ticking = self._loop.create_task(self._tick())
        try:
            await self._stop_requested.wait()
            clean = await self._drain()
        finally:
            ticking.cancel()
            await self._leave()
        if self._failure:
            raise WorkerFailedError(self._failure.sentence)
        return clean and self._closed

    def stop(self) -> None:
        """Receive nothing more, let running records end, commit, leave the group; `run` returns then."""
        self._stop_requested.set()

    def yield_to(self, workers: Sequence[Worker]) -> None:
        """Start few records while one of these workers has more than it may process at once."""
        self._prioritised = workers

    def is_full(self) -> bool:
        """Return whether records wait that may only be started when others have ended."""
        return self._lanes.startable > 0 and self._lanes.running - self._sources.hanging >= self._max_in_flight()

    def may_send(self) -> bool:
        """Return whether this process is certainly still a member of its group; call it right before sending.

        A process that was suspended for longer than its session may have been replaced without noticing.
        """
        return self._clock() - self._consumer.membership_proven_at() < proof_duration(self._config.session_timeout)

    def unready_reason(self) -> str | None:
        """Return why no work can be expected of this worker now, in a sentence; None if it can."""
        role, group, now = self._config.role, self._config.group, self._clock()
        if (silence := now - self._consumer.broker_answered_at()) > UNREADY_AFTER:
            return f"no broker has answered {role} (group {group}) for {silence:.0f} s: check brokers and network"
        if not self.may_send():
            return (
                f"consumer group {group} had no contact with Kafka for a session timeout: check the brokers and the"
                " network"
            )
        if self._stopping:
            return f"{role} is stopping"
        if self._intake_stopped_at is not None and now - self._intake_stopped_at > UNREADY_AFTER:
            return (
                f"{role} (group {group}) read no records for {now - self._intake_stopped_at:.0f} s, because too many"
                " wait already: see southbound_records_awaiting_retry and the log for what they wait for"
            )
        return None

    def shut_reason(self) -> str | None:
        """Return why no record is started, in a sentence without its dot; None if records are."""
        return self._config.gate.shut_reason() if self._config.gate is not None else None

    def status(self) -> tuple[PartitionStatus, ...]:
        """Return per partition why it is or is not moving."""
        return partition_statuses(self._offsets, self._lanes, self._backpressure.paused, self._clock())

    def lanes_of(self, key: bytes) -> tuple[UnfinishedRecord, ...]:
        """Return the first unfinished record of a key, in every topic that this worker reads."""
        now = self._clock()
        return tuple([unfinished_record(lane, parked, now) for lane, parked in self._lanes.heads_of(key)])

    @property
    def config(self) -> WorkerConfig:
        """What the worker was configured with."""
        return self._config

    def figures(self) -> WorkerFigures:
        """Return the numbers of this moment."""
        return worker_figures(
            self._offsets,
            self._lanes,
            paused=len(self._backpressure.paused),
            held=self._sources.held,
            consecutive_dead_letters=self._sources.in_a_row,
            stuck=self._stuck.count,
        )

    def warnings(self) -> dict[str, str]:
        """Return a sentence for each source whose records are held back because of dead letters."""
        return self._sources.warnings(self._clock())

    # Events of the Kafka consumer

    def _handle_event(self, event: port.ConsumerEvent) -> None:
        match event:
            case port.RecordsReceived(records):
                self._on_received(records)
            case port.EndReached(offsets):
                self._offsets.skip_to(offsets)
            case port.Assigned(partitions, finished):
                self._on_assigned(partitions, finished)
            case port.Revoked(partitions):
                self._on_revoked(partitions)
            case port.Lost(partitions):
                self._on_lost(partitions)
            case port.Committed():
                self._on_committed(event)
            case port.Warned(problem):
                self._problems.report(problem, self._clock())
            case port.ConsumerFailed(problem):
                self._fail(problem)
            case port.Closed():
                self._closed = True
                self._stop_requested.set()
            case _:
                assert_never(event)
        self._changed.set()

    def _on_received(self, records: Sequence[Record]) -> None:
        self._poll_requested = False
        for record in records:
            if self._offsets.receive(record):
                self._lanes.admit(record)
        for topic, count in Counter([record.partition.topic for record in records]).items():
            self._observer.received(topic, count)
        self._start_ready()
        self._control_flow()

    def _on_assigned(self, partitions: Iterable[Partition], finished: Mapping[Partition, FinishedOffsets]) -> None:
        for partition in partitions:
            self._offsets.assign(partition, finished.get(partition, NOTHING_FINISHED))
        self._control_flow()

    def _on_revoked(self, partitions: Iterable[Partition]) -> None:
        """Release these partitions as soon as none of their records runs, and in any case within the timeout."""
        self._revoked = frozenset(partitions)
        for partition in self._revoked:
            self._drop(partition)
        self._revoke_timer = self._loop.call_later(self._config.revoke_timeout, self._guarded, self._release_anyway)
        self._release_if_idle()

    def _release_if_idle(self) -> None:
        if not any(self._lanes.load_of(partition).running for partition in self._revoked):
            self._release()

    def _release_anyway(self) -> None:
        self._abandon(self._revoked)
        self._release()

    def _release(self) -> None:
        # The order matters: what was finished is in the commit, what ends after it no longer counts.
        if self._revoke_timer:
            self._revoke_timer.cancel()
        leaving, self._revoked = self._revoked, frozenset()
        self._consumer.release({p: commit for p, commit in self._offsets.uncommitted().items() if p in leaving})
        for partition in leaving:
            self._offsets.revoke(partition)

    def _on_lost(self, partitions: Collection[Partition]) -> None:
        for partition in partitions:
            self._offsets.revoke(partition)
            self._drop(partition)
        self._abandon(frozenset(partitions))
        self._start_ready()

    def _abandon(self, partitions: Collection[Partition]) -> None:
        # The next owner calls the same systems for the same records, so ours must not call any more.
        # A lane stays occupied until its handler has really ended.
        self._tasks.abandon(partitions, self._on_abandoned)

    def _on_abandoned(self, record: Record) -> None:
        if self._tasks.mark_ended(record):  # else it ended by itself and was settled
            self._sources.ended(record)
            self._retire(record)
            self._continue()

    def _drop(self, partition: Partition) -> None:
        for record in self._lanes.drop(partition):
            self._tasks.stop_timer(record)
            self._forget(record)

    def _on_committed(self, event: port.Committed) -> None:
        self._committer.on_response(event)
        if event.problem:
            self._problems.report(event.problem, self._clock())

    # The life of one record

    def _start_ready(self) -> None:
        while self._may_start() and self._is_admitted() and (started := self._lanes.start(self._clock())):
            record, attempt = started
            if self._sources.admits(record, self._clock()):
                if record.partition in self._sources.crowded and self._has_no_room(record.partition):
                    attempt = attempt._replace(crowded=True)
                self._tasks.start(record, self._run_attempt(record, attempt))
            else:
                self._lanes.hold(record)

    def _has_no_room(self, partition: Partition) -> bool:
        load, partitions = self._lanes.load_of(partition), len(self._offsets.owned)
        return not self._config.watermarks.has_room(load, max(1, partitions))

    def _release_held(self) -> None:
        for record in self._sources.releasable(self._clock()):
            self._lanes.unpark(record)

    def _may_start(self) -> bool:
        return self._lanes.running - self._sources.hanging < self._max_in_flight() and not self._stopping

    def _is_admitted(self) -> bool:
        gate = self._config.gate
        return gate is None or (self._lanes.startable > 0 and gate.admits_record())

    def _is_shut(self) -> bool:
        return self._config.gate is not None and self._config.gate.is_shut()

    def _max_in_flight(self) -> int:
        # Runs under way come before new ones: their rows and commands are still in memory, and they end sooner.
        yields = self._prioritised and any(other.is_full() for other in self._prioritised)
        limit = self._config.max_in_flight
        return min(self._config.max_in_flight_yielding, limit) if yields else limit

    async def _run_attempt(self, record: Record, attempt: Attempt) -> None:
        began = self._clock()
        outcome = self._dead_letters.undelivered(record) or await self._runner.attempt(record, attempt)
        counted = attempt if isinstance(outcome, Done) else outcome.counted or attempt
        if isinstance(outcome, DeadLetter):
            outcome = await self._dead_letters.deliver(
                record, counted.number, outcome, counted.elapsed + self._clock() - began, counted.first_at
            )
        self._guarded(self._settle, record, attempt, outcome)
        self._observer.attempt_ended(AttemptEnded(record, counted.number, outcome, self._clock() - began))

    def _settle(self, record: Record, attempt: Attempt, outcome: Outcome) -> None:
        self._tasks.mark_ended(record)
        self._sources.ended(record)
        match outcome:
            case Done() | DeadLetter():
                self._finish(record)
                if problem := self._sources.settled(record, outcome, self._clock()):
                    self._problems.report(problem, self._clock())
            case RetryLater():
                self._park(record, attempt, outcome)
            case _:
                assert_never(outcome)
        self._continue()

    def _finish(self, record: Record) -> None:
        self._offsets.finish(record)
        self._retire(record)

    def _retire(self, record: Record) -> None:
        self._lanes.retire(record)
        self._forget(record)

    def _forget(self, record: Record) -> None:
        self._runner.forget(record)
        self._dead_letters.forget(record)

    def _park(self, record: Record, attempt: Attempt, later: RetryLater) -> None:
        if record.partition in self._revoked or record.partition not in self._offsets.owned:
            self._retire(record)  # its next owner reads it again
            return
        now, delay = self._clock(), max(0.0, later.delay)
        if later.counted is not None:
            self._lanes.count_on(record, attempt, later.counted)
            attempt = later.counted
        if attempt.elapsed + delay >= self._config.report_after:
            self._problems.report_record(record, attempt.number, later.problem, now)
        if later.afresh:
            self._forget(record)
        self._lanes.park(record, now + delay, later.problem, afresh=later.afresh)
        self._tasks.start_timer(record, delay, self._unpark)

    def _unpark(self, record: Record) -> None:
        self._lanes.unpark(record)
        self._start_ready()

    def _continue(self) -> None:
        if self._sources.holds_any:
            self._release_held()
        self._start_ready()
        if self._revoked:
            self._release_if_idle()
        if self._backpressure.is_holding_back and self._lanes.startable <= self._backpressure.poll_again_below():
            self._control_flow()
        if self._stopping:
            self._changed.set()

    # Work by timer

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._config.commit_every)
            self._guarded(self._on_timer)

    def _on_timer(self) -> None:
        self._sources.check_hanging(self._tasks.running)
        self._release_held()
        self._start_ready()
        self._control_flow()
        self._sources.crowded = self._backpressure.full
        self._commit()
        self._report_stuck_records()

    def _report_stuck_records(self) -> None:
        if self._stuck.is_due(now := self._clock()):
            for problem in self._stuck.check(self._lanes.heads(), now):
                self._observer.problem_reported(problem)

    def _control_flow(self) -> None:
        loads = {partition: self._lanes.load_of(partition) for partition in self._offsets.owned}
        crowded = self._offsets.crowded()
        flow = self._backpressure.decide(
            self._clock(), loads, crowded=crowded, pause_all=self._stopping or self._is_shut()
        )
        self._note_intake()
        if flow.pause or flow.resume or (flow.poll and not self._poll_requested):
            self._consumer.control_flow(flow)
            self._poll_requested = self._poll_requested or flow.poll

    def _note_intake(self) -> None:
        owned = self._offsets.owned
        if self._is_shut() or not owned or owned.keys() - self._backpressure.paused:
            self._intake_stopped_at = None
        elif self._intake_stopped_at is None:
            self._intake_stopped_at = self._clock()

    def _commit(self) -> None:
        self._committer.commit(only_new=self.may_send())

    # Stopping

    async def _drain(self) -> bool:
        self._stopping = True
        self._guarded(self._control_flow)
        idle = await self._wait_until(lambda: self._tasks.idle, self._config.drain_timeout)
        committed = await self._wait_until(self._all_committed, self._config.close_timeout)
        return idle and committed

    def _all_committed(self) -> bool:
        return self._closed or not self._committer.commit_all()

    async def _leave(self) -> None:
        await self._tasks.cancel_all()
        self._consumer.close()
        await self._wait_until(lambda: self._closed, self._config.close_timeout)

    async def _wait_until(self, condition: Callable[[], bool], max_wait: float) -> bool:
        deadline = self._loop.time() + max_wait
        while not condition():
            self._changed.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                return condition()
        return True

    def _fail(self, problem: Problem) -> None:
        self._failure = self._failure or problem
        self._observer.problem_reported(problem)
        self.stop()

    def _guarded(self, step: Callable[..., None], *arguments: object) -> None:
        """Run a callback; a programming error in it must end the worker instead of leaving it half-working."""
        try:
            step(*arguments)
        except Exception as exception:  # noqa: BLE001 - as the docstring says
            self._fail(internal_problem("WORKER_FAILED", "The worker broke", exception))
