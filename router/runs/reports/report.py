"""What an external system reports about a run, translated from its dialect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from router.runs.states import TERMINAL
from schemas.results import Reason
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from datetime import datetime

    from router.runs.reports.cancel_task import CancelTask
    from schemas.results import RuleViolation
    from schemas.run_document import JsonValue
    from schemas.vocabulary import Result


class ExternalMeasure(NamedTuple):
    """One measured value as the external system names it; any of the identifying fields may be missing."""

    id: str | None = None
    definition_id: str | None = None
    metric_name: str | None = None
    metric_href: str | None = None
    value: JsonValue = None
    has_value: bool = False
    value_type: str | None = None
    unit_of_measure: str | None = None
    accuracy: float | None = None
    capture_date_time: datetime | None = None
    capture_method: str | None = None
    rule_violation: tuple[RuleViolation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalReport:
    """What one response, callback or poll reports about a run.

    `state` is None if none was reported or the spelling is unknown (`raw_state` keeps it).
    `thin` marks an event without usable content: the run has to be read with GET. `announces_change`: the event says
    that the state has changed, or that the run was deleted. `as_of` is when the run was asked for, in an answer;
    `is_older`: a newer report about the run may have been processed since then. `event_time` is when an event happened
    that reports `pending` or `inProgress`, by the clock of the system. `run_ids` are the ids that stand where
    we write our id of a run. `is_id_of_address`: the external id is the end of an address that is perhaps no run's.
    `shown` is what an answer has in which no id or no state was found, as a sentence names it; empty if there was none.
    `alike` is how many answers of this kind in a row it stands for; 0: it need not show the whole run, as an answer to
    a PATCH or an event with measures, so that a missing state means nothing. `names_no_run`: it is no run,
    or has neither an id nor a name.
    `is_being_cancelled`: the system has accepted a cancellation and goes on until it ends the run; `state` is then the
    lowest one, which moves no run. `verdict` is the system's own on the run, `unknown_verdict` what it wrote instead
    of a word for one, and `status_reason` why the run is in its state, in its own words: one line of bounded length.
    """

    external_id: str | None
    href: str | None = None
    external_identifier: str | None = None  # our run id, if the system echoes it
    run_ids: tuple[str, ...] = ()
    is_id_of_address: bool = False
    name: str | None = None
    state: RunState | None = None
    raw_state: str | None = None
    is_being_cancelled: bool = False
    verdict: Result | None = None
    unknown_verdict: str | None = None
    status_reason: str | None = None
    shown: str = ""
    alike: int = 1
    names_no_run: bool = False
    measures: tuple[ExternalMeasure, ...] = ()
    reasons: tuple[Reason, ...] = ()
    event_id: str | None = None
    thin: bool = False
    announces_change: bool = False
    as_of: datetime | None = None
    event_time: datetime | None = None
    is_older: bool = False
    deleted: bool = False  # an event that says that the system has deleted the run
    asked: tuple[Reason, ...] = ()  # what the system needs before it goes on
    cancel_task: CancelTask | None = None  # what is reported is the cancellation of the run
    children: tuple[ExternalReport, ...] = ()  # the nested runs of a bundle, as the system echoes them

    @property
    def is_no_run(self) -> bool:
        """Whether it says nothing about a run, not even that it is there."""
        words = self.raw_state or self.verdict or self.unknown_verdict or self.status_reason
        return self.names_no_run and not (words or self.state or self.measures or self.children)

    def of_part(self) -> ExternalReport:
        """Return the report of an answer that need not show the whole run, such as that to a POST or PATCH.

        What is called `result` there is perhaps that of the call, unless the run has ended or was measured.
        """
        shows_end = self.state in TERMINAL or self.measures
        return replace(self, alike=0, unknown_verdict=self.unknown_verdict if shows_end else None)


def not_found_as_cancelled(external_id: str | None, reasons: tuple[Reason, ...] = ()) -> ExternalReport:
    """Return the report of a run whose cancellation was requested and that its system does not know (any more)."""
    gone = Reason(
        code="CANCELLED_NOT_FOUND",
        message="The external system does not know the run any more, and its cancellation was requested.",
    )
    return ExternalReport(
        external_id=external_id, state=RunState.CANCELLED, raw_state="not found", reasons=(gone, *reasons)
    )
