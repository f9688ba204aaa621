"""The enumerations of events."""

from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING


class Term(StrEnum):
    """A value of an enumeration."""

    if not TYPE_CHECKING:
        # Pydantic reads `value` of every member that it writes. Reading this property calls no Python function; reading
        # that of `StrEnum` calls two.
        value = property(attrgetter("_value_"))


class Mode(Term):
    """Why a run is made (TMF653 v4.1 `ServiceTest.mode`)."""

    ONDEMAND = "ONDEMAND"
    PROACTIVE = "PROACTIVE"
    UNKNOWN = "unknown"


class RunState(Term):
    """The canonical state of a run (TMF653 v5.0 `ExecutionStateType`)."""

    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    PENDING = "pending"
    IN_PROGRESS = "inProgress"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Phase(Term):
    """How far the outbound request of a run has come."""

    CREATED = "created"  # stored; waits for the rest of its hierarchy
    ROUTED = "routed"  # decided; its command is on the topic of its spoke
    SENDING = "sending"  # a POST may be in progress
    RETRYING = "retrying"  # the last attempt certainly had no effect; it will be repeated
    IN_DOUBT = "inDoubt"  # a POST was written and its outcome is not known
    ACCEPTED = "accepted"
    IN_PROGRESS = "inProgress"
    FULFILLED = "fulfilled"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"  # its parent was never accepted, so it was never sent
    FALLOUT = "fallout"  # a person has to act; its dead letter can be redriven
    UNKNOWN = "unknown"
    WAITING = "waiting"  # every request definition that matches is used up; it is in the waiting queue


class Result(Term):
    """The result of the test. Completed is not passed."""

    PASS = "pass"  # noqa: S105 - a test result, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    TIMED_OUT = "timedOut"
    UNKNOWN = "unknown"


class UpdateKind(Term):
    """What happened in flight, in a `RunUpdate`."""

    ACCEPTED = "accepted"
    PROGRESS = "progress"
    CHANGE_ACCEPTED = "changeAccepted"
    CHANGE_REFUSED = "changeRefused"
    CANCEL_ACCEPTED = "cancelAccepted"
    CANCEL_REFUSED = "cancelRefused"
    IN_DOUBT = "inDoubt"
    BLOCKED = "blocked"
    FALLOUT = "fallout"
    STALE = "stale"  # reported after the run had already ended; stored, and nothing changed
    UNKNOWN = "unknown"
    WAITING = "waiting"  # every request definition that matches is used up
    JEOPARDY = "jeopardy"  # the expected duration is over, and the run has not ended


class MeasureIdOrigin(Term):
    """How the id of a reported measure was found (by id, definition, href, name, or as the only open one)."""

    REPORTED = "reported"
    DEFINITION = "definition"
    METRIC_HREF = "metricHref"
    METRIC_NAME = "metricName"
    ONLY_OPEN = "onlyOpen"
    DERIVED = "derived"  # no requested measure matched: a stable id of our own
    UNKNOWN = "unknown"


class Channel(Term):
    """How an external system's report arrived."""

    RESPONSE = "response"
    CALLBACK = "callback"
    POLL = "poll"
    UNKNOWN = "unknown"
