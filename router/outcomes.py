"""List what becomes of each outcome of a call, and of each exception in what external systems report.

The rows are those of the domain facts, sections 8.2 and 8.3. `router.responses` has the statuses of an outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

LEFT_ON_TOPIC = "the record on `testrun.inbound`"
DEAD_LETTER = "the dead letter"
REPLAY = "`southbound replay` of the topic"
REDRIVE = "`southbound dlq redrive`"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOutcome:
    """One outcome of a call: what it is taken for, and what follows."""

    name: str
    outcome: str
    meaning: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportException:
    """One exception in what an external system reports, or in what is written back.

    `codes` are those of the reason or of the dead letter, `counter` is the metric that counts it, `kept` is where the
    original is, and `replay` how it is processed again. `faults` are the codes among them that a run keeps as reasons.
    """

    name: str
    exception: str
    treatment: str
    codes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    counter: str
    kept: str = LEFT_ON_TOPIC
    replay: str = REPLAY


FAULTS_COUNTER = "southbound_report_faults_total"
PROBLEMS_COUNTER = "southbound_problems_total"
CALLBACKS_COUNTER = "southbound_callbacks_total"

CALL_OUTCOMES = (
    CallOutcome(
        name="accepted",
        outcome="200, 201, and what the version or the profile names as success",
        meaning="accepted; the body may be final",
        action="the id, the address and what the body reports are stored",
    ),
    CallOutcome(
        name="accepted for later",
        outcome="202, perhaps without an id",
        meaning="accepted",
        action="the id is found by `Location`, by a look-up, or by an event",
    ),
    CallOutcome(
        name="success that cannot be read",
        outcome="2xx with a body that is no run, or another 2xx",
        meaning="in doubt",
        action="the run is looked up, and never POSTed again",
    ),
    CallOutcome(
        name="data refused",
        outcome="400, 422",
        meaning="refused",
        action="no retry; the run ends as `rejected` with the reasons of the system",
    ),
    CallOutcome(
        name="credentials",
        outcome="401, 403",
        meaning="configuration",
        action="a token is renewed once; then the system's commands wait in order, and calls pause",
    ),
    CallOutcome(
        name="wrong address or method",
        outcome="404 on POST, 405, 415, 501",
        meaning="configuration",
        action="the system's commands wait in order, and calls pause; a change or cancellation that the system has no"
        " method for is refused",
    ),
    CallOutcome(
        name="not acceptable",
        outcome="406",
        meaning="in doubt: frameworks answer it after they have performed the request",
        action="the run is looked up or read",
    ),
    CallOutcome(
        name="lost at the system",
        outcome="404, 410 on PATCH or GET of a known id",
        meaning="lost",
        action="a change is refused; the run is asked for again, and ends as `failed` (`LOST`) after `lost_after`",
    ),
    CallOutcome(
        name="conflict",
        outcome="409",
        meaning="exists already, or its state forbids it",
        action="after a POST the run is looked up and adopted; a change is refused, and the run goes on",
    ),
    CallOutcome(
        name="transient",
        outcome="408, 425, 429, 500, 502, 503, 504, no connection",
        meaning="passing trouble; of a POST, 408, 500, 502 and 504 are in doubt",
        action="it is repeated with growing pauses and jitter, at `Retry-After` at the earliest, within bounds; a POST"
        " in doubt is looked up first",
    ),
    CallOutcome(
        name="no answer after the request",
        outcome="a time-out or a reset after the request was written",
        meaning="in doubt, of a POST",
        action="the run is looked up before another POST; other calls are repeated",
    ),
    CallOutcome(
        name="invalid certificate",
        outcome="the TLS certificate is not valid",
        meaning="configuration",
        action="the system's commands wait in order, and calls pause (`CERTIFICATE_INVALID`)",
    ),
)

REPORT_EXCEPTIONS = (
    ReportException(
        name="malformed JSON",
        exception="The body is not JSON",
        treatment="dead letter; the listener answers 400 if it sees it",
        codes=("REPORT_UNREADABLE",),
        counter=PROBLEMS_COUNTER,
        kept=DEAD_LETTER,
        replay=REDRIVE,
    ),
    ReportException(
        name="schema invalid",
        exception="A part of the report has another form than in TMF653",
        treatment="it is left out with a reason, and the rest is read",
        codes=("MEASURE_UNREADABLE",),
        faults=("MEASURE_UNREADABLE",),
        counter=FAULTS_COUNTER,
    ),
    ReportException(
        name="unknown event type",
        exception="The type of the event is not one of TMF653",
        treatment="it is read as a report on the run that it names; an event about no run is ignored and counted",
        counter="southbound_reports_ignored_total",
    ),
    ReportException(
        name="unknown test id",
        exception="No run has the id",
        treatment="retried, because it may have overtaken the answer to the POST; then a dead letter",
        codes=("REPORT_WITHOUT_RUN",),
        counter=PROBLEMS_COUNTER,
        kept=DEAD_LETTER,
        replay=REDRIVE,
    ),
    ReportException(
        name="wrong system for the id",
        exception="The id is that of a run at another system",
        treatment="as an unknown id: ids of one system say nothing about those of another",
        codes=("REPORT_WITHOUT_RUN",),
        counter=PROBLEMS_COUNTER,
        kept=DEAD_LETTER,
        replay=REDRIVE,
    ),
    ReportException(
        name="unknown state",
        exception="No spelling knows the state",
        treatment="the run stays in its state, an update says so, and the run is read again",
        codes=("UNKNOWN_STATE",),
        faults=("UNKNOWN_STATE",),
        counter="southbound_unknown_states_total",
    ),
    ReportException(
        name="no id",
        exception="The answer to a POST (200, 201) has a body, and no id is found in it",
        treatment="the run is accepted, and looked up until its id is known; an update says which rules of the profile"
        " to correct",
        codes=("ID_NOT_SHOWN",),
        faults=("ID_NOT_SHOWN",),
        counter=FAULTS_COUNTER,
        kept="the external system",
        replay="the look-up",
    ),
    ReportException(
        name="no state",
        exception="Three answers to a GET, or notifications of a change of the state, in a row have no state, or are "
        "no run, and no profile field says so",
        treatment="the run stays in its state; an update says which rules of the profile to correct",
        codes=("STATE_NOT_SHOWN",),
        faults=("STATE_NOT_SHOWN",),
        counter=FAULTS_COUNTER,
    ),
    ReportException(
        name="illegal transition",
        exception="A state after the end of the run",
        treatment="stored and published as `stale`; nothing leaves a final state",
        codes=("STALE_REPORT", "LATE_MEASURES"),
        faults=("STALE_REPORT", "LATE_MEASURES"),
        counter=FAULTS_COUNTER,
    ),
    ReportException(
        name="measure without id",
        exception="A measure has no id and matches no requested one",
        treatment="it gets an id of ours; the result is `inconclusive`",
        codes=("MEASURE_ID_MISSING",),
        faults=("MEASURE_ID_MISSING",),
        counter=FAULTS_COUNTER,
    ),
    ReportException(
        name="unknown measure",
        exception="The id of a measure is that of no requested one",
        treatment="it gets an id of ours, or is left out (`unknown_measures: reject`)",
        codes=("MEASURE_UNKNOWN", "MEASURE_REJECTED"),
        faults=("MEASURE_UNKNOWN", "MEASURE_REJECTED"),
        counter=FAULTS_COUNTER,
    ),
    ReportException(
        name="value of a wrong type",
        exception="The value of a measure is not of its type, or not finite",
        treatment="kept as far as it can be, with a reason; the result is not `pass` if the measure is mandatory",
        codes=("MEASURE_UNPARSABLE", "MEASURE_NOT_FINITE"),
        faults=("MEASURE_UNPARSABLE", "MEASURE_NOT_FINITE"),
        counter=FAULTS_COUNTER,
    ),
    ReportException(
        name="unit mismatch",
        exception="A measure has another unit than was requested",
        treatment="kept as reported, with a reason",
        codes=("MEASURE_UNIT_DIFFERS",),
        faults=("MEASURE_UNIT_DIFFERS",),
        counter=FAULTS_COUNTER,
    ),
    ReportException(
        name="duplicate event",
        exception="The event was processed before",
        treatment="processed once",
        counter="southbound_records_received_total",
    ),
    ReportException(
        name="stale event",
        exception="The event is older than what is known",
        treatment="the run does not move back; measures are merged",
        counter="southbound_records_received_total",
    ),
    ReportException(
        name="payload too big",
        exception="The body is larger than the limit of the listener or of the system",
        treatment="the listener answers 413 and stores nothing; a thin event leads to a GET",
        counter=CALLBACKS_COUNTER,
        kept="the external system",
        replay="the poller, or the deadline of the run",
    ),
    ReportException(
        name="superseded version",
        exception="A report shows the run as it was before a change",
        treatment="reports have no version: an answer that is older than what is known moves no state and no measure"
        " back, and an answer that shows the old fields does not confirm a change",
        counter="southbound_records_received_total",
    ),
    ReportException(
        name="write-back refused or down",
        exception="The target refuses a result, or does not answer",
        treatment="repeated while it is down; a refusal is a dead letter",
        codes=("CALL_REFUSED", "CALL_TRANSIENT"),
        counter="southbound_writebacks_total",
        kept=DEAD_LETTER,
        replay=REDRIVE,
    ),
)

# What a run keeps as reasons, and is counted when it appears.
FAULT_CODES = frozenset(code for row in REPORT_EXCEPTIONS for code in row.faults)
