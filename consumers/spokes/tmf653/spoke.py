"""Translate every call to a TMF653 system and every response of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never
from urllib.parse import quote

import orjson

from consumers.spokes.port import Call
from consumers.spokes.profile import CancelMethod, LookUpMethod
from consumers.spokes.tmf653 import callbacks, echo, look_up, replies, requests
from consumers.spokes.tmf653.requests import OutboundIds
from consumers.spokes.tmf653.v5.cancel_task import TASKS_PATH, cancel_task_body
from consumers.spokes.tmf653.v5.patches import patch_body
from router.responses import Purpose
from router.runs.changes import FIELDS_THAT_ARE_SENT, MEASURES_FIELD
from router.runs.states import merge_spellings
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumers.spokes.port import LookUpPage
    from consumers.spokes.profile import Profile
    from router.responses import HttpResponse
    from router.runs.changes import FieldChange, FieldValue
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.commands import SendRun
    from schemas.inbound import InboundReceived
    from schemas.results import Reason
    from schemas.run_document import RunDocument

_RUNS_PATH = "/serviceTest"


class Tmf653Spoke:
    """A `Spoke` for TMF653 v4.0, v4.1, v4.2 and v5.0: what is sent has the form of the profile's version.

    What is read is read in the forms of all versions.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._spellings = merge_spellings(profile.state_spellings)

    def to_send(self, command: SendRun, parent: RunRow | None) -> Call:
        """POST of a run, or of a root with its children below it (payload `bundle`)."""
        sender = OutboundIds(request_id=command.request_id, parent=parent)
        bundled = command.decision.payload == "bundle"
        write = requests.bundle_body if bundled else requests.create_body
        return Call(
            purpose=Purpose.SEND,
            method="POST",
            path=_RUNS_PATH,
            body=orjson.dumps(write(self.profile, command.run, sender)),
            content_type=self.profile.media_types.send,
        )

    def to_change(self, row: RunRow, changes: Sequence[FieldChange], idempotency_key: str) -> Call:
        """PATCH of the fields that differ from what was sent, arrays whole."""
        old, new = self._both(row, changes)
        return self._patch(Purpose.CHANGE, row, old, new, idempotency_key)

    def contradictions(self, response: HttpResponse, row: RunRow, changes: Sequence[FieldChange]) -> tuple[Reason, ...]:
        """Return why the response shows that the changes are not made; none if it shows them or says nothing."""
        # What is measured replaces what was asked for.
        old, new = self._both(row, [change for change in changes if change.field != MEASURES_FIELD])
        return echo.contradictions(response, row.external_id, old, new)

    def _both(self, row: RunRow, changes: Sequence[FieldChange]) -> tuple[requests.Body, requests.Body]:
        """Return the fields as they were sent, and as they are requested now."""
        old = self._changed_fields(row, {change.field: change.old for change in changes})
        return old, self._changed_fields(row, {change.field: change.new for change in changes})

    def _changed_fields(self, row: RunRow, values: Mapping[str, FieldValue]) -> requests.Body:
        document = row.requested.model_copy(update={FIELDS_THAT_ARE_SENT[field]: new for field, new in values.items()})
        return requests.update_body(self.profile, document, OutboundIds(request_id=row.request_id), values)

    def to_cancel(self, row: RunRow, reason: str | None, idempotency_key: str) -> Call:
        """Cancel, by the method of the profile; only a task (v5.0) has a place for a reason."""
        match self.profile.cancel:
            case CancelMethod.PATCH:
                cancelled: requests.Body = {"state": self._cancelled_spelling()}
                return self._patch(Purpose.CANCEL, row, {"state": "acknowledged"}, cancelled, idempotency_key)
            case CancelMethod.TASK:
                return Call(
                    purpose=Purpose.CANCEL,
                    method="POST",
                    path=TASKS_PATH,
                    body=orjson.dumps(cancel_task_body(row, reason)),
                    content_type=self.profile.media_types.send,
                    idempotency_key=idempotency_key,
                )
            case CancelMethod.DELETE:
                return Call(
                    purpose=Purpose.CANCEL, method="DELETE", path=_path_of(row), idempotency_key=idempotency_key
                )
            case _:
                assert_never(self.profile.cancel)

    def to_read_cancellation(self, task_id: str) -> Call | None:
        """GET the task that cancels a run, whatever the version: its id is from an event of the system."""
        return Call(purpose=Purpose.READ, method="GET", path=f"{TASKS_PATH}/{_path_segment(task_id)}")

    def to_look_up(self, run: RunDocument) -> Call | None:
        """Return the look-up of our run by the filters that every TMF653 server must have (or by our id)."""
        by = {
            LookUpMethod.NAME: ("name", requests.outbound_name(self.profile, run)),
            LookUpMethod.EXTERNAL_IDENTIFIER: ("externalIdentifier.id", run.run_id),
        }.get(self.profile.look_up)
        return Call(purpose=Purpose.LOOK_UP, method="GET", path=_RUNS_PATH, query=(by,)) if by else None

    def to_read(self, external_id: str) -> Call:
        """GET one run."""
        return Call(purpose=Purpose.READ, method="GET", path=f"{_RUNS_PATH}/{_path_segment(external_id)}")

    def read_reply(self, response: HttpResponse) -> ExternalReport:
        """Read the body of a 2xx response about one run.

        Raises:
            NotUnderstoodError: the body is not a run.
        """
        return replies.read_reply(self._spellings, response)

    def to_list(self, offset: int) -> Call:
        """GET a page of all runs, without a filter."""
        page = (("offset", str(offset)), ("limit", str(look_up.PAGE_SIZE)))
        return Call(purpose=Purpose.LOOK_UP, method="GET", path=_RUNS_PATH, query=page)

    def read_page(self, response: HttpResponse, run: RunDocument) -> LookUpPage:
        """Read the response to a look-up or to a page of the list.

        Raises:
            NotUnderstoodError: the body is not a list of runs.
        """
        name = requests.outbound_name(self.profile, run)
        return look_up.read_page(self._spellings, response, name, run, _RUNS_PATH)

    def check_callback(self, received: InboundReceived) -> None:
        """Return if a notification perhaps names a run.

        Raises:
            NotUnderstoodError: it certainly does not.
        """
        callbacks.check_callback(received)

    def read_callback(self, received: InboundReceived) -> ExternalReport:
        """Read a notification or polled body.

        Raises:
            NotUnderstoodError: it is neither an event about a run nor a run.
        """
        return callbacks.read_callback(self._spellings, received)

    def _patch(
        self, purpose: Purpose, row: RunRow, old: requests.Body, new: requests.Body, idempotency_key: str
    ) -> Call:
        media_type = self.profile.media_types.change
        return Call(
            purpose=purpose,
            method="PATCH",
            path=_path_of(row),
            body=patch_body(media_type, old, new, requests.type_of_resource(self.profile, row)),
            content_type=media_type,
            idempotency_key=idempotency_key,
        )

    def _cancelled_spelling(self) -> str:
        """Return the system's spelling of `cancelled`, if the profile has one."""
        spellings = (raw for raw, state in self.profile.state_spellings.items() if state is RunState.CANCELLED)
        return next(spellings, "cancelled")


def _path_of(row: RunRow) -> str:
    return f"{_RUNS_PATH}/{_path_segment(row.external_id or '')}"


def _path_segment(external_id: str) -> str:
    # `.` and `..` would name another resource.
    return external_id.replace(".", "%2E") if external_id in {".", ".."} else quote(external_id, safe="")
