"""Run handlers over the records of a consumer group, and commit what is finished: the owner of all run-time state.

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
from consumers.runtime.committer import Committer
from consumers.runtime.dead_letter_limit import DeadLetterLimit
from consumers.runtime.dead_letters import DeadLetterPublisher
from consumers.runtime.execution import HandlerExecution, RecordTasks
from consumers.runtime.faults import ProblemReporter, fault
from consumers.runtime.handler import DeadLetter, Done, RetryLater
from consumers.runtime.kafka.membership import proof_duration
from consumers.runtime.lanes import Lanes
from consumers.runtime.monitoring import AttemptEnded, NullObserver, partition_statuses, worker_figures
from consumers.runtime.offsets import OffsetTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from consumers.runtime.config import WorkerConfig
    from consumers.runtime.handler import Attempt, Handler, Outcome, Partition, Record
    from consumers.runtime.monitoring import Observer, PartitionStatus, WorkerFigures
    from producers.publisher import Publisher
    from schemas.problem import Problem


class WorkerFailedError(Exception):
    """The worker had to stop; the sentence says why."""


class Worker:
    """One consumer with its lanes. `run` works until `stop`; cancelling `run` stops hard."""

    def __init__(
        self,
        *,
        client: port.GroupConsumer,
        handler: Handler,
        publisher: Publisher,
        policy: WorkerConfig,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._policy = policy
        self._observer = observer or NullObserver()
        self._complaints = ProblemReporter(self._observer)
        self._clock = clock
        self._attempts = HandlerExecution(handler, policy, dice)
        self._letters = DeadLetterPublisher(publisher, policy, lambda: datetime.now(UTC), dice)
        self._lanes = Lanes()
        self._others: Sequence[Worker] = ()  # their records come before ours
        self._ledger = OffsetTracker()
        self._intake = Backpressure(policy.watermarks)
        self._guard = DeadLetterLimit(policy.dead_letter_limit)
        self._tasks = RecordTasks(self._safely)
        self._commits = Committer(client, self._ledger, self._observer, clock)
        self._leaving: frozenset[Partition] = frozenset()
        self._leave_by: asyncio.TimerHandle | None = None
        self._asked = False
        self._stopping = False
        self._closed = False
        self._failure: Problem | None = None
        self._stop_asked = asyncio.Event()
        self._moved = asyncio.Event()

    async def run(self) -> bool:
        """Work until `stop`; return whether everything that ran was finished and committed.

        Raises:
            WorkerFailedError: Kafka or a programming error stopped it.
        """
        self._loop = asyncio.get_running_loop()
        self._client.start(lambda event: self._safely(self._handle_event, event))
        ticking = self._loop.create_task(self._tick())
        try:
            await self._stop_asked.wait()
            clean = await self._drain()
        finally:
            ticking.cancel()
            await self._leave()
        if self._failure:
            raise WorkerFailedError(self._failure.sentence)
        return clean and self._closed

    def stop(self) -> None:
        """Receive nothing more, let running records end, commit, leave the group; `run` returns then."""
        self._stop_asked.set()

    def give_way_to(self, others: Sequence[Worker]) -> None:
        """Start few records while one of these workers has more than it may process at once."""
        self._others = others

    def is_full(self) -> bool:
        """Return whether records wait that may only be started when others have ended."""
        return self._lanes.startable > 0 and self._lanes.running >= self._max_in_flight()

    def may_send(self) -> bool:
        """Return whether this process is certainly still a member of its group; ask right before sending.

        A process that was suspended for longer than its session may have been replaced without noticing.
        """
        return self._clock() - self._client.proven_at() < proof_duration(self._policy.session_timeout)

    def status(self) -> tuple[PartitionStatus, ...]:
        """Return per partition why it is or is not moving."""
        return partition_statuses(self._ledger, self._lanes, self._intake.paused, self._clock())

    def figures(self) -> WorkerFigures:
        """Return the numbers of this moment."""
        return worker_figures(self._ledger, self._lanes, len(self._intake.paused), self._guard.in_a_row)

    # Events of the Kafka consumer

    def _handle_event(self, event: port.Event) -> None:
        match event:
            case port.RecordsReceived(records):
                self._receive(records)
            case port.Assigned(partitions):
                self._own(partitions)
            case port.Revoked(partitions):
                self._revoke(partitions)
            case port.Lost(partitions):
                self._lose(partitions)
            case port.Committed():
                self._committed(event)
            case port.Warned(problem):
                self._complaints.report(problem, self._clock())
            case port.ConsumerFailed(problem):
                self._fail(problem)
            case port.Closed():
                self._closed = True
                self._stop_asked.set()
            case _:
                assert_never(event)
        self._moved.set()

    def _receive(self, records: Sequence[Record]) -> None:
        self._asked = False
        for record in records:
            if self._ledger.receive(record):
                self._lanes.admit(record)
        for topic, count in Counter([record.partition.topic for record in records]).items():
            self._observer.received(topic, count)
        self._start_ready()
        self._control_flow()

    def _own(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self._ledger.own(partition)
        self._control_flow()

    def _revoke(self, partitions: Iterable[Partition]) -> None:
        """Release these partitions as soon as none of their records runs, and in any case within the budget."""
        self._leaving = frozenset(partitions)
        for partition in self._leaving:
            self._drop(partition)
        self._leave_by = self._loop.call_later(self._policy.revoke_budget, self._safely, self._release_anyway)
        self._release_if_idle()

    def _release_if_idle(self) -> None:
        if not any(self._lanes.load_of(partition).running for partition in self._leaving):
            self._release()

    def _release_anyway(self) -> None:
        self._abandon(self._leaving)
        self._release()

    def _release(self) -> None:
        # The order matters: what was finished is in the commit, what ends after it no longer counts.
        if self._leave_by:
            self._leave_by.cancel()
        leaving, self._leaving = self._leaving, frozenset()
        self._client.release({p: offset for p, offset in self._ledger.uncommitted().items() if p in leaving})
        for partition in leaving:
            self._ledger.give_up(partition)

    def _lose(self, partitions: Collection[Partition]) -> None:
        for partition in partitions:
            self._ledger.give_up(partition)
            self._drop(partition)
        self._abandon(frozenset(partitions))
        self._start_ready()

    def _abandon(self, partitions: Collection[Partition]) -> None:
        # The next owner calls the same systems for the same records, so ours must not call any more.
        # A lane stays occupied until its handler has really ended.
        self._tasks.abandon(partitions, self._abandoned)

    def _abandoned(self, record: Record) -> None:
        if self._tasks.ended(record):  # else it ended by itself and was settled
            self._retire(record)
            self._continue()

    def _drop(self, partition: Partition) -> None:
        for record in self._lanes.drop(partition):
            self._tasks.stop_timer(record)
            self._forget(record)

    def _committed(self, answer: port.Committed) -> None:
        self._commits.on_response(answer)
        if answer.problem:
            self._complaints.report(answer.problem, self._clock())

    # The life of one record

    def _start_ready(self) -> None:
        while self._may_start() and (started := self._lanes.start(self._clock())):
            record, attempt = started
            self._tasks.start(record, self._work(record, attempt))

    def _may_start(self) -> bool:
        return self._lanes.running < self._max_in_flight() and not (self._stopping or self._is_limited())

    def _max_in_flight(self) -> int:
        # Runs under way come before new ones: their rows and commands are still in memory, and they end sooner.
        gives_way = self._others and any(other.is_full() for other in self._others)
        most = self._policy.max_in_flight
        return min(self._policy.max_in_flight_giving_way, most) if gives_way else most

    def _is_limited(self) -> bool:
        return self._guard.in_a_row > 0 and self._guard.stops_work(self._clock())

    async def _work(self, record: Record, attempt: Attempt) -> None:
        began = self._clock()
        outcome = self._letters.undelivered(record) or await self._attempts.attempt(record, attempt)
        if isinstance(outcome, DeadLetter):
            outcome = await self._letters.deliver(record, attempt.number, outcome)
        self._safely(self._settle, record, attempt, outcome)
        self._observer.attempt_ended(AttemptEnded(record, attempt.number, outcome, self._clock() - began))

    def _settle(self, record: Record, attempt: Attempt, outcome: Outcome) -> None:
        self._tasks.ended(record)
        match outcome:
            case Done():
                self._guard.finished()
                self._finish(record)
            case RetryLater():
                self._park(record, attempt, outcome)
            case DeadLetter():
                self._finish(record)
                self._count_dead_letter(outcome.problem)
            case _:
                assert_never(outcome)
        self._continue()

    def _finish(self, record: Record) -> None:
        self._ledger.finish(record)
        self._retire(record)

    def _retire(self, record: Record) -> None:
        self._lanes.retire(record)
        self._forget(record)

    def _forget(self, record: Record) -> None:
        self._attempts.forget(record)
        self._letters.forget(record)

    def _park(self, record: Record, attempt: Attempt, later: RetryLater) -> None:
        if record.partition in self._leaving or record.partition not in self._ledger.owned:
            self._retire(record)  # its next owner reads it again
            return
        now, delay = self._clock(), max(0.0, later.delay)
        if attempt.elapsed + delay >= self._policy.report_after:
            self._complaints.report_record(record, attempt.number, later.problem, now)
        self._lanes.park(record, now + delay, later.problem)
        self._tasks.start_timer(record, delay, self._unpark)

    def _unpark(self, record: Record) -> None:
        self._lanes.unpark(record)
        self._start_ready()

    def _count_dead_letter(self, last: Problem) -> None:
        now = self._clock()
        if self._guard.dead_lettered(now):
            self._complaints.report(self._guard.problem(self._policy.role, self._policy.dead_letter_topic, last), now)
            self._control_flow()

    def _continue(self) -> None:
        self._start_ready()
        if self._leaving:
            self._release_if_idle()
        if self._intake.holding and self._lanes.startable <= self._intake.asks_again_below():
            self._control_flow()
        if self._stopping:
            self._moved.set()

    # Work by timer

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._policy.commit_every)
            self._safely(self._on_timer)

    def _on_timer(self) -> None:
        self._start_ready()  # the dead-letter limit may be over
        self._control_flow()
        self._commit()

    def _control_flow(self) -> None:
        shares = {partition: self._lanes.load_of(partition) for partition in self._ledger.owned}
        flow = self._intake.decide(self._clock(), shares, shut=self._stopping or self._is_limited())
        if flow.pause or flow.resume or (flow.ask and not self._asked):
            self._client.control_flow(flow)
            self._asked = self._asked or flow.ask

    def _commit(self) -> None:
        self._commits.commit(sure=self.may_send())

    # Stopping

    async def _drain(self) -> bool:
        self._stopping = True
        self._safely(self._control_flow)
        quiet = await self._until(lambda: self._tasks.idle, self._policy.drain_budget)
        saved = await self._until(self._all_committed, self._policy.close_budget)
        return quiet and saved

    def _all_committed(self) -> bool:
        if self._ledger.uncommitted() and not self._closed:
            self._commit()
            return False
        return True

    async def _leave(self) -> None:
        await self._tasks.cancel_all()
        self._client.close()
        await self._until(lambda: self._closed, self._policy.close_budget)

    async def _until(self, condition: Callable[[], bool], budget: float) -> bool:
        deadline = self._loop.time() + budget
        while not condition():
            self._moved.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._moved.wait()
            except TimeoutError:
                return condition()
        return True

    def _fail(self, problem: Problem) -> None:
        self._failure = self._failure or problem
        self._observer.problem_reported(problem)
        self.stop()

    def _safely(self, step: Callable[..., None], *arguments: object) -> None:
        """Run a callback; a programming error in it must end the worker instead of leaving it half-working."""
        try:
            step(*arguments)
        except Exception as exception:  # noqa: BLE001 - as the docstring says
            self._fail(fault("WORKER_FAILED", "The worker broke", exception))
