"""Build the consumers that write results and updates to targets."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.dead_letter_subject import DeadLetterClass, class_of
from consumers.metrics import WRITEBACKS
from consumers.northbound.writeback.handler import WritebackHandler
from consumers.northbound.writeback.ordered_ids import StoredOrderIds
from consumers.runtime.dead_letters import MAX_SUBJECT_LENGTH, DeadLetterSubject
from schemas.codec.errors import UndecodableError
from schemas.results import RunResult, RunUpdate
from southbound.service.composition.workers import build_worker
from southbound.service.roles import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.event_handler import EventHandler
    from consumers.northbound.writeback.target import WritebackTarget
    from consumers.runtime.handler import Record
    from consumers.runtime.worker import Worker
    from schemas.codec.envelope import Envelope
    from schemas.problem import Problem
    from schemas.topics import TopicNames
    from southbound.service.composition.shared_resources import SharedResources


def writeback_worker(resources: SharedResources, target: WritebackTarget) -> Worker:
    """Build the consumer of results and updates for one target."""
    process_id = uuid.uuid4().hex

    def handler(may_send: Callable[[], bool]) -> EventHandler:
        return WritebackHandler(
            target=target,
            caller=resources.make_target_caller(target, may_send),
            runs=resources.store,
            claims=resources.store.write_claims,
            on_outcome=lambda name, outcome: resources.metrics.count(WRITEBACKS, name, outcome),
            process_id=process_id,
            ordered_ids=StoredOrderIds(resources.orders),
        ).handle

    subjects = WritebackSubjects(target=target.name, envelope=resources.events.envelope, names=resources.events.topics)
    return build_worker(
        resources,
        f"{Role.WRITEBACK}.{target.name}",
        resources.events.topics.results,
        handler,
        more_topics=(resources.events.topics.inflight,),
        gate=resources.breakers.of(target.name).writes,
        describe=subjects.find,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WritebackSubjects:
    """Finds what a dead letter of one target is about."""

    target: str
    envelope: Envelope
    names: TopicNames

    async def find(self, record: Record, problem: Problem) -> DeadLetterSubject:
        """Return the run of the event, with the target in the place of a spoke."""
        class_ = class_of(problem.code, record.partition.topic, self.names)
        if class_ is DeadLetterClass.ROUTING:  # no table decides here
            class_ = DeadLetterClass.DISPATCH
        try:
            event = self.envelope.decode(record.value, record.headers, fallback_id="")
        except UndecodableError:
            return DeadLetterSubject(error_class=class_, spoke=self.target)
        run = event.data.run_id if isinstance(event.data, RunUpdate | RunResult) else ""
        decision = (event.headers.decision or "")[:MAX_SUBJECT_LENGTH]
        return DeadLetterSubject(error_class=class_, spoke=self.target, run=run[:MAX_SUBJECT_LENGTH], decision=decision)
