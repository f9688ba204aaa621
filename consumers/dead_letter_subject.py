"""Find what a dead letter is about: its class, its run, the external system and the decision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from consumers.event_handler import KNOWN
from consumers.failed_request import read_failed_request
from consumers.record_sources import spoke_of
from consumers.runtime.dead_letters import MAX_SUBJECT_LENGTH, DeadLetterSubject
from schemas.inbound import InboundReceived

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.runtime.handler import Record
    from consumers.store.port import RunStore
    from router.runs.run import RunRow
    from schemas.codec.envelope import Envelope
    from schemas.problem import Problem
    from schemas.topics import TopicNames


class DeadLetterClass(StrEnum):
    """The classes of failures, each by the party that has to correct it."""

    UNDECODABLE = "undecodable"  # the value is no event: its producer has to be corrected
    REJECTED = "rejected"  # an event that contradicts what is known: its producer has to be corrected
    ROUTING = "routing"  # the decision tables do not decide it: the author of the tables
    DISPATCH = "dispatch"  # a call to the external system did not do what it should: its operators
    REPORT = "report"  # what the external system reported cannot be used: its operators, or its profile
    INTERNAL = "internal"  # a defect or a limit of Southbound and its database or topics


_CLASS_OF_CODE: Mapping[str, DeadLetterClass] = {
    "UNDECODABLE": DeadLetterClass.UNDECODABLE,
    "TOMBSTONE": DeadLetterClass.UNDECODABLE,
    "UNKNOWN_EVENT_TYPE": DeadLetterClass.UNDECODABLE,
    "UNKNOWN_SCHEMA": DeadLetterClass.UNDECODABLE,
    "INVALID_EVENT": DeadLetterClass.UNDECODABLE,
    "STREAM_RECORD_UNREADABLE": DeadLetterClass.UNDECODABLE,
    "ORDER_REFUSED": DeadLetterClass.REJECTED,
    "UNKNOWN_STREAM": DeadLetterClass.INTERNAL,
    "WRONG_TOPIC": DeadLetterClass.REJECTED,
    "RUN_EXISTS": DeadLetterClass.REJECTED,
    "UNKNOWN_RUN": DeadLetterClass.REJECTED,
    "CHILD_NOT_LISTED": DeadLetterClass.REJECTED,
    "UNEXPECTED": DeadLetterClass.INTERNAL,
    "UNSTORABLE": DeadLetterClass.INTERNAL,
    "MESSAGE_TOO_LARGE": DeadLetterClass.INTERNAL,
}
_REJECTED_PREFIX = "HIERARCHY_"


def class_of(code: str, topic: str, names: TopicNames) -> DeadLetterClass:
    """Return the class of a dead letter by its code, or else by the work that its topic is for."""
    if code in _CLASS_OF_CODE:
        return _CLASS_OF_CODE[code]
    if code.startswith(_REJECTED_PREFIX):
        return DeadLetterClass.REJECTED
    if topic == names.inbound:
        return DeadLetterClass.REPORT
    return DeadLetterClass.DISPATCH if names.spoke_of(topic) is not None else DeadLetterClass.ROUTING


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFinder:
    """Finds what a dead letter is about: in the record, and in the run store if it has the run."""

    store: RunStore
    envelope: Envelope
    names: TopicNames

    async def find(self, record: Record, problem: Problem) -> DeadLetterSubject:
        """Return what can be found; a store that does not answer does not delay the dead letter."""
        topic = record.partition.topic
        class_ = class_of(problem.code, topic, self.names)
        spoke = spoke_of(record) if topic == self.names.inbound else self.names.spoke_of(topic) or ""
        named = DeadLetterSubject(error_class=class_, spoke=spoke)
        try:
            if topic == self.names.inbound:
                return await self._find_reported(record, named)
            return await self._find_requested(record, named)
        except Exception:  # noqa: BLE001 - a dead letter whose subject cannot be found is published nevertheless
            return named

    async def _find_requested(self, record: Record, named: DeadLetterSubject) -> DeadLetterSubject:
        request = read_failed_request(record, self.envelope)
        if request is None:
            return named
        run, decision = request.run_ids[0], request.cause.headers.decision or ""
        named = replace(named, run=run[:MAX_SUBJECT_LENGTH], decision=decision[:MAX_SUBJECT_LENGTH])
        try:
            return _with_row(named, await self.store.run(run))
        except KNOWN:
            return named

    async def _find_reported(self, record: Record, named: DeadLetterSubject) -> DeadLetterSubject:
        data = self.envelope.decode(record.value, record.headers, fallback_id="").data
        if not isinstance(data, InboundReceived):
            return named
        named = replace(named, spoke=data.spoke[:MAX_SUBJECT_LENGTH])
        row = await self.store.run_by_external_id(data.spoke, data.external_id) if data.external_id else None
        return _with_row(named, row)


def _with_row(named: DeadLetterSubject, row: RunRow | None) -> DeadLetterSubject:
    if row is None:
        return named
    decision = f"{row.decision.policy} {row.decision.selector}" if row.decision else named.decision
    return replace(named, run=row.run_id, spoke=row.spoke or named.spoke, decision=decision)
