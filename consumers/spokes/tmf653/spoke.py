"""Translate every call to a TMF653 v4 system and every response of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from consumers.spokes.port import Call
from consumers.spokes.profile import LOOK_UPS_BY_NAME, CancelMethod, ListPaging, LookUpMethod
from consumers.spokes.tmf653 import callbacks, echo, look_up, monitor, replies, requests
from consumers.spokes.tmf653.requests import OutboundIds
from router.responses import Purpose
from router.runs.changes import CHANGEABLE_FIELDS
from router.runs.reports.report import ExternalReport
from router.runs.states import merge_spellings
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumers.spokes.port import LookUpPage
    from consumers.spokes.profile import Profile
    from router.responses import HttpResponse
    from router.runs.changes import FieldChange, FieldValue
    from router.runs.run import RunRow
    from schemas.commands import SendRun
    from schemas.inbound import InboundReceived
    from schemas.results import Reason
    from schemas.run_document import RunDocument


class Tmf653Spoke:
    """A `Spoke` for TMF653 v4.0, v4.1 and v4.2: for what is sent and read here, the three are the same."""

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
            path=self.profile.paths.create,
            body=orjson.dumps(write(self.profile, command.run, sender)),
            content_type=self.profile.media_types.send,
        )

    def to_change(self, row: RunRow, changes: Sequence[FieldChange], idempotency_key: str) -> Call:
        """PATCH of the fields that differ from what was sent, arrays whole."""
        body = self._changed_fields(row, {change.field: change.new for change in changes})
        return self._patch(Purpose.CHANGE, row, body, idempotency_key)

    def contradictions(self, response: HttpResponse, row: RunRow, changes: Sequence[FieldChange]) -> tuple[Reason, ...]:
        """Return why the response shows that the changes are not made; none if it shows them or says nothing."""
        old = self._changed_fields(row, {change.field: change.old for change in changes})
        new = self._changed_fields(row, {change.field: change.new for change in changes})
        return echo.contradictions(response, row.external_id, old, new)

    def _changed_fields(self, row: RunRow, values: Mapping[str, FieldValue]) -> requests.Body:
        document = row.requested.model_copy(update={CHANGEABLE_FIELDS[field]: new for field, new in values.items()})
        return requests.update_body(self.profile, document, OutboundIds(request_id=row.request_id), values)

    def to_cancel(self, row: RunRow, reason: str | None, idempotency_key: str) -> Call:  # noqa: ARG002 - v4 has no place for a reason
        """Cancel, by the method of the profile."""
        if self.profile.cancel is CancelMethod.PATCH:
            return self._patch(Purpose.CANCEL, row, {"state": self._cancelled_spelling()}, idempotency_key)
        path = self.profile.paths.of_cancellation(row.external_id or "")
        return Call(purpose=Purpose.CANCEL, method="DELETE", path=path, idempotency_key=idempotency_key)

    def to_look_up(self, run: RunDocument) -> Call | None:
        """Return the look-up of our run by the filters that every TMF653 server must have (or by our id)."""
        by: tuple[tuple[str, str], ...] = ()
        if self.profile.look_up in LOOK_UPS_BY_NAME:
            by = (("name", requests.outbound_name(self.profile, run)),)
        elif self.profile.look_up is LookUpMethod.EXTERNAL_IDENTIFIER:
            by = (("externalIdentifier.id", run.run_id),)
        if self.profile.look_up is LookUpMethod.NAME_AND_SERVICE:
            by += (("relatedService.id", run.related_service.id),)
        return Call(purpose=Purpose.LOOK_UP, method="GET", path=self.profile.paths.search, query=by) if by else None

    def to_read(self, external_id: str) -> Call:
        """GET one run."""
        return Call(purpose=Purpose.READ, method="GET", path=self.profile.paths.of_run(external_id))

    def read_reply(self, response: HttpResponse) -> ExternalReport:
        """Read the body of a 2xx response about one run.

        Raises:
            NotUnderstoodError: the body is not a run.
        """
        if self.profile.look_up is LookUpMethod.LOCATION and monitor.is_elsewhere(self.profile.paths, response):
            return ExternalReport(external_id=None, href=response.headers.get("location"))
        return replies.read_reply(self._spellings, response)

    def to_follow(self, href: str) -> Call | None:
        """GET an address that the system named; None unless the profile says so and it is at the system itself."""
        by_location = self.profile.look_up is LookUpMethod.LOCATION
        return monitor.follow_call(self.profile.base_url, href) if by_location else None

    def read_followed(self, response: HttpResponse) -> ExternalReport | str | None:
        """Return the run that an answer shows or names, the address where to ask next, or nothing yet.

        Raises:
            NotUnderstoodError: the body is not JSON.
        """
        return monitor.read_followed(self._spellings, self.profile.paths, response)

    def to_list(self, offset: int) -> Call:
        """GET a page of all runs, without a filter."""
        page = (("offset", str(offset)), ("limit", str(look_up.PAGE_SIZE)))
        return Call(purpose=Purpose.LOOK_UP, method="GET", path=self.profile.paths.search, query=page)

    def read_page(self, response: HttpResponse, run: RunDocument) -> LookUpPage:
        """Read the response to a look-up or to a page of the list.

        Raises:
            NotUnderstoodError: the body is not a list of runs.
        """
        name = requests.outbound_name(self.profile, run)
        page = look_up.read_page(self._spellings, response, name, run, self.profile.paths.search)
        whole = self.profile.paging is ListPaging.NONE and page.total is None
        return replace(page, total=page.shown) if whole else page

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

    def _patch(self, purpose: Purpose, row: RunRow, body: requests.Body, idempotency_key: str) -> Call:
        paths, external_id = self.profile.paths, row.external_id or ""
        cancels = purpose is Purpose.CANCEL
        return Call(
            purpose=purpose,
            method="PATCH",
            path=paths.of_cancellation(external_id) if cancels else paths.of_change(external_id),
            body=orjson.dumps(body),
            content_type=self.profile.media_types.change,
            idempotency_key=idempotency_key,
        )

    def _cancelled_spelling(self) -> str:
        """Return the system's spelling of `cancelled`, if the profile has one."""
        spellings = (raw for raw, state in self.profile.state_spellings.items() if state is RunState.CANCELLED)
        return next(spellings, "cancelled")
