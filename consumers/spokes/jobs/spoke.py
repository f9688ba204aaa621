"""Translate every call to a system with the job API, and every response of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from consumers.spokes.conventions.http_conventions import path_with_id
from consumers.spokes.jobs import order
from consumers.spokes.jobs.job import STATES, Job, JobEvent, JobList, read
from consumers.spokes.port import Call, LookUpPage, NotAboutARunError, NotUnderstoodError
from consumers.spokes.profile import LookUpMethod
from router.responses import Purpose
from router.runs.reports.report import ExternalReport
from router.runs.states import BeingCancelled
from schemas.results import Reason
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumers.spokes.profile import Profile
    from router.responses import HttpResponse
    from router.runs.changes import FieldChange
    from router.runs.run import RunRow
    from router.runs.states import Meaning
    from schemas.commands import SendRun
    from schemas.inbound import InboundReceived
    from schemas.run_document import RunDocument

_JOBS = "/jobs"
_JOB = "/jobs/{id}"
_JSON = "application/json"
_PAGE_SIZE = 100
_ABOUT_JOBS = "job."
_BEGUN = frozenset(RunState) - {RunState.ACKNOWLEDGED, RunState.UNKNOWN}
_WITH_READINGS = frozenset({RunState.COMPLETED, RunState.FAILED})


class JobsSpoke:
    """A `Spoke` for the job API."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        added = {int(number): state for number, state in profile.state_spellings.items() if number.isdecimal()}
        self._states: Mapping[int, Meaning] = {**STATES, **added}

    def to_send(self, command: SendRun, parent: RunRow | None) -> Call:
        """POST the order of a job, or of a root with its children as steps (payload `bundle`)."""
        bundled = command.decision.payload == "bundle"
        body = order.write_plan(command.run) if bundled else order.write_order(command.run, parent)
        return Call(purpose=Purpose.SEND, method="POST", path=_JOBS, body=orjson.dumps(body), content_type=_JSON)

    def to_change(self, row: RunRow, changes: Sequence[FieldChange], idempotency_key: str) -> Call:
        """PUT the fields that differ to the job's order, which keeps all others."""
        return _write(Purpose.CHANGE, row, "order", order.write_changes(row, changes), idempotency_key)

    def to_cancel(self, row: RunRow, reason: str | None, idempotency_key: str) -> Call:
        """Abort the job."""
        return _write(Purpose.CANCEL, row, "abort", {"reason": reason}, idempotency_key)

    def to_read_cancellation(self, task_id: str) -> Call | None:  # noqa: ARG002 - the port
        """Return None: jobs are aborted at once, and not by tasks."""
        return None

    def to_look_up(self, run: RunDocument) -> Call | None:
        """List the jobs with our reference."""
        if self.profile.look_up is LookUpMethod.NONE:
            return None
        return Call(purpose=Purpose.LOOK_UP, method="GET", path=_JOBS, query=(("reference", run.run_id),))

    def to_list(self, offset: int) -> Call:
        """List all jobs, from this place in the list on."""
        page = (("skip", str(offset)), ("take", str(_PAGE_SIZE)))
        return Call(purpose=Purpose.LOOK_UP, method="GET", path=_JOBS, query=page)

    def to_read(self, external_id: str) -> Call:
        """GET one job."""
        return Call(purpose=Purpose.READ, method="GET", path=path_with_id(_JOB, external_id))

    def read_reply(self, response: HttpResponse) -> ExternalReport:
        """Read the job of a response; a 202 or 204 without a body names none.

        Raises:
            NotUnderstoodError: the body is no job.
        """
        if not response.body.strip():
            return ExternalReport(external_id=None)
        return self._report(read(Job, response.body))

    def contradictions(self, response: HttpResponse, row: RunRow, changes: Sequence[FieldChange]) -> tuple[Reason, ...]:
        """Return a reason for each changed field that the job of the response shows with another value."""
        if not response.body.strip():
            return ()
        try:
            shown = read(Job, response.body).model_dump(exclude_unset=True, by_alias=True)
        except NotUnderstoodError as error:
            return (_not_shown(f"The external system answered with success, but {error}."),)
        if row.external_id and shown.get("jobId", row.external_id) != row.external_id:
            return (_not_shown("The external system answered with success, but its answer is about another job."),)
        return tuple(
            _not_shown(f"The external system answered with success, but shows {field} without the change.")
            for field, value in order.write_changes(row, changes).items()
            if field in shown and shown[field] != value
        )

    def read_page(self, response: HttpResponse, run: RunDocument, replaced: Sequence[str] = ()) -> LookUpPage:
        """Read a page of jobs. Jobs without a reference may be ours: somebody else ordered the others.

        Raises:
            NotUnderstoodError: the body is no list of jobs.
        """
        page = read(JobList, response.body)
        states = {job.job_id: None if job.status is None else self._states.get(job.status) for job in page.jobs}
        others = [job for job in page.jobs if job.job_id not in replaced]
        ours = next((job for job in others if job.reference == run.run_id), None)
        return LookUpPage(
            found=self._report(ours) if ours else None,
            possible=tuple(self._report(job) for job in others if not job.reference),
            naming={job.job_id: (job.reference,) for job in others if job.reference},
            ids=frozenset(states),
            shown=len(page.jobs),
            replaced=len(page.jobs) - len(others),
            total=page.total,
            waiting=frozenset(job_id for job_id, state in states.items() if state is RunState.ACKNOWLEDGED),
            begun=frozenset(job_id for job_id, state in states.items() if state in _BEGUN),
        )

    def read_list(self, response: HttpResponse, limit: int) -> tuple[ExternalReport, ...]:
        """Return what a page shows about its first jobs.

        Raises:
            NotUnderstoodError: the body is no list of jobs.
        """
        return tuple([self._report(job) for job in read(JobList, response.body).jobs[:limit]])

    def check_callback(self, received: InboundReceived) -> str | None:
        """Return the job that a notification is about.

        Raises:
            NotAboutARunError: it is an event of another kind.
            NotUnderstoodError: it names no job.
        """
        event = read(JobEvent, received.body)
        if not event.type.startswith(_ABOUT_JOBS):
            raise NotAboutARunError(f"the event {event.type[:100]} is about no job")
        return event.job_id

    def read_callback(self, received: InboundReceived) -> ExternalReport:
        """Read a notification, or the job that a poll returned.

        An event that ends a job and brings no readings is thin: the job has them.

        Raises:
            NotUnderstoodError: it is neither.
        """
        if b'"type"' not in received.body:
            return self._report(read(Job, received.body))
        event = read(JobEvent, received.body)
        event_id = received.event_id if event.sequence is None else f"{event.job_id}/{event.sequence}"
        return self._report(event, event_id)

    def _report(self, job: Job, event_id: str | None = None) -> ExternalReport:
        meaning = None if job.status is None else self._states.get(job.status)
        state = RunState.ACKNOWLEDGED if isinstance(meaning, BeingCancelled) else meaning
        return ExternalReport(
            external_id=job.job_id,
            external_identifier=job.reference,
            state=state,
            raw_state=None if job.status is None else str(job.status),
            is_being_cancelled=isinstance(meaning, BeingCancelled),
            measures=tuple(reading.to_measure() for reading in job.readings or ()),
            reasons=(Reason(code=job.fault.code, message=job.fault.text),) if job.fault else (),
            event_id=event_id,
            thin=isinstance(job, JobEvent) and (state is None or (state in _WITH_READINGS and job.readings is None)),
            announces_change=isinstance(job, JobEvent),
            children=tuple(self._report(step) for step in job.steps),
        )


def _not_shown(message: str) -> Reason:
    return Reason(code="CHANGE_NOT_SHOWN", message=message)


def _write(purpose: Purpose, row: RunRow, part: str, body: Mapping[str, object], idempotency_key: str) -> Call:
    return Call(
        purpose=purpose,
        method="PUT" if purpose is Purpose.CHANGE else "POST",
        path=path_with_id(f"{_JOB}/{part}", row.external_id or ""),
        body=orjson.dumps(body),
        content_type=_JSON,
        idempotency_key=idempotency_key,
    )
