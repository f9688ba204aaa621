"""Translate every call to a TMF653 system and every response of it."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, assert_never

import orjson

from consumers.spokes.conventions.http_conventions import path_with_id
from consumers.spokes.port import Call
from consumers.spokes.profile import LOOK_UPS_BY_NAME, CancelMethod, ListPaging, LookUpMethod
from consumers.spokes.tmf653 import callbacks, change_process, echo, look_up, monitor, replies, requests
from consumers.spokes.tmf653.identities import last_segment
from consumers.spokes.tmf653.requests import OutboundIds
from consumers.spokes.tmf653.v5.cancel_task import TASKS_PATH, cancel_task_body
from consumers.spokes.tmf653.v5.patches import patch_body
from consumers.spokes.tmf653.versions import VERSIONS
from router.responses import HttpResponse, Purpose
from router.runs.changes import FIELDS_THAT_ARE_SENT, MEASURES_FIELD
from router.runs.reports.report import ExternalReport
from router.runs.states import merge_spellings
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consumers.spokes.port import ChangeProcess, LookUpPage
    from consumers.spokes.profile import Profile
    from router.runs.changes import FieldChange, FieldValue
    from router.runs.run import RunRow
    from schemas.commands import SendRun
    from schemas.inbound import InboundReceived
    from schemas.results import Reason
    from schemas.run_document import RunDocument


class Tmf653Spoke:
    """A `Spoke` for TMF653 v4.0, v4.1, v4.2 and v5.0: what is sent has the form of the profile's version.

    What is read is read in the forms of all versions.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._spellings = merge_spellings(profile.state_spellings)
        self._query_names: Mapping[str, str] = {str(name): other for name, other in profile.query_names.items()}
        empty = profile.empty_list_status
        self._empty_list = frozenset() if empty is None else frozenset({empty})

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
        old, new = self._both(row, changes)
        return self._patch(Purpose.CHANGE, row, old, new, idempotency_key)

    def to_change_in_root(self, root: RunRow, children: Sequence[RunRow], idempotency_key: str) -> Call:
        """PATCH of a root with all its children, nested as in its POST, each with its external id."""
        documents = tuple(row.sent or row.requested for row in children)
        document = root.requested.model_copy(update={"children": documents})
        external_ids = {row.run_id: row.external_id for row in children if row.external_id is not None}
        ids = OutboundIds(request_id=root.request_id)
        new = requests.children_body(self.profile, document, ids, external_ids)
        return self._patch(Purpose.CHANGE, root, dict.fromkeys(new, "as it was"), new, idempotency_key)

    def to_name_children(self, parent: RunRow, grandparent: RunRow | None, children: Sequence[RunRow]) -> Call:
        """PATCH of the relationships of a run: its parent, as its own POST named it, and all its children."""
        new = requests.relationships_body(self.profile, grandparent, children)
        return self._patch(Purpose.CHANGE, parent, {}, new, "")

    def child_in_root(self, response: HttpResponse, child: RunRow) -> HttpResponse:
        """Return what a response that shows the root shows of one child: no body if it does not show it."""
        return replies.child_in_root(response, child.external_id)

    def contradictions(self, response: HttpResponse, row: RunRow, changes: Sequence[FieldChange]) -> tuple[Reason, ...]:
        """Return why the response shows that the changes are not made; none if it shows them or says nothing."""
        # What is measured replaces what was asked for.
        old, new = self._both(row, [change for change in changes if change.field != MEASURES_FIELD])
        return echo.contradictions(response, row, old, new)

    def _both(self, row: RunRow, changes: Sequence[FieldChange]) -> tuple[requests.RequestBody, requests.RequestBody]:
        """Return the fields as they were sent, and as they are requested now."""
        old = self._changed_fields(row, {change.field: change.old for change in changes})
        return old, self._changed_fields(row, {change.field: change.new for change in changes})

    def _changed_fields(self, row: RunRow, values: Mapping[str, FieldValue]) -> requests.RequestBody:
        document = row.requested.model_copy(update={FIELDS_THAT_ARE_SENT[field]: new for field, new in values.items()})
        return requests.update_body(self.profile, document, OutboundIds(request_id=row.request_id), values)

    def to_cancel(self, row: RunRow, reason: str | None, idempotency_key: str) -> Call:
        """Cancel, by the method of the profile; only a task (v5.0) has a place for a reason."""
        match self.profile.cancel:
            case CancelMethod.PATCH:
                cancelled: requests.RequestBody = {"state": self._cancelled_spelling()}
                return self._patch(Purpose.CANCEL, row, {"state": "acknowledged"}, cancelled, idempotency_key)
            case CancelMethod.POST:
                return Call(
                    purpose=Purpose.CANCEL,
                    method="POST",
                    path=self.profile.paths.of_cancellation(row.external_id or ""),
                    body=orjson.dumps({"state": self._cancelled_spelling()}),
                    content_type=self.profile.media_types.send,
                    idempotency_key=idempotency_key,
                )
            case CancelMethod.TASK:
                return Call(
                    purpose=Purpose.CANCEL,
                    method="POST",
                    path=TASKS_PATH,
                    body=orjson.dumps(cancel_task_body(row, reason)),
                    content_type=self.profile.media_types.send,
                    idempotency_key=idempotency_key,
                    also_success=VERSIONS[self.profile.version].success_of_cancel_task,
                )
            case CancelMethod.DELETE:
                path = self.profile.paths.of_cancellation(row.external_id or "")
                return Call(purpose=Purpose.CANCEL, method="DELETE", path=path, idempotency_key=idempotency_key)
            case _:
                assert_never(self.profile.cancel)

    def to_read_cancellation(self, task_id: str) -> Call | None:
        """GET the task that cancels a run, whatever the version: its id is from an event of the system."""
        return Call(purpose=Purpose.READ, method="GET", path=path_with_id(f"{TASKS_PATH}/{{id}}", task_id))

    def to_look_up(self, run: RunDocument) -> Call | None:
        """Return the look-up of our run by the filters that every TMF653 server must have (or by our id)."""
        by: tuple[tuple[str, str], ...] = ()
        if self.profile.look_up in LOOK_UPS_BY_NAME:
            by = (("name", requests.outbound_name(self.profile, run)),)
        elif self.profile.look_up is LookUpMethod.EXTERNAL_IDENTIFIER:
            by = (("externalIdentifier.id", run.run_id),)
        if self.profile.look_up is LookUpMethod.NAME_AND_SERVICE:
            by += (("relatedService.id", run.related_service.id),)
        return self._search(by) if by else None

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
        report = replies.read_reply(self._spellings, response)
        # The address of the collection names no run.
        is_run = not report.is_id_of_address or report.external_id != last_segment(self.profile.paths.create)
        return report if is_run else replace(report, external_id=None, href=None, is_id_of_address=False)

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

    def read_process(self, response: HttpResponse, row: RunRow) -> ChangeProcess | None:
        """Read what the system says of a change that it processes later; None if it is about the run itself.

        Raises:
            NotUnderstoodError: the body is not JSON.
        """
        return change_process.read_process(self.profile, response, row.external_id)

    def to_read_process(self, href: str) -> Call | None:
        """GET the address of such a process; None unless it is at the system itself."""
        call = monitor.follow_call(self.profile.base_url, href)
        return call and replace(call, purpose=Purpose.READ)

    def to_list(self, offset: int) -> Call:
        """GET a page of all runs, without a filter."""
        limit = ("limit", str(look_up.PAGE_SIZE))
        return self._search((limit,) if self.profile.mapping.next_at else (("offset", str(offset)), limit))

    def _search(self, query: tuple[tuple[str, str], ...]) -> Call:
        return Call(
            purpose=Purpose.LOOK_UP,
            method="GET",
            path=self.profile.paths.search,
            query=tuple((self._query_names.get(name, name), value) for name, value in query),
            also_success=self._empty_list,
        )

    def read_page(self, response: HttpResponse, run: RunDocument, replaced: Sequence[str] = ()) -> LookUpPage:
        """Read the response to a look-up or to a page of the list.

        Raises:
            NotUnderstoodError: the body is not a list of runs.
        """
        response = self._as_list(response)
        name = requests.outbound_name(self.profile, run) if self.profile.look_up in LOOK_UPS_BY_NAME else None
        page = look_up.read_page(self._spellings, response, name, run, self.profile.paths.search, replaced)
        whole = self.profile.paging is ListPaging.NONE and page.total is None
        return replace(page, total=page.shown) if whole else page

    def read_list(self, response: HttpResponse, limit: int) -> tuple[ExternalReport, ...]:
        """Return what a page of the list shows about its first runs.

        Raises:
            NotUnderstoodError: the body is not a list of runs.
        """
        return look_up.read_list(self._spellings, self._as_list(response), limit)

    def _as_list(self, response: HttpResponse) -> HttpResponse:
        return HttpResponse(status=HTTPStatus.OK, body=b"[]") if response.status in self._empty_list else response

    def check_callback(self, received: InboundReceived) -> str | None:
        """Return the external id of a notification that perhaps names a run.

        Raises:
            NotUnderstoodError: it certainly does not.
        """
        return callbacks.check_callback(received)

    def read_callback(self, received: InboundReceived) -> ExternalReport:
        """Read a notification or polled body.

        Raises:
            NotUnderstoodError: it is neither an event about a run nor a run.
        """
        return callbacks.read_callback(self._spellings, received)

    def _patch(
        self, purpose: Purpose, row: RunRow, old: requests.RequestBody, new: requests.RequestBody, idempotency_key: str
    ) -> Call:
        paths, external_id = self.profile.paths, row.external_id or ""
        media_type = self.profile.media_types.change
        return Call(
            purpose=purpose,
            method="PATCH",
            path=paths.of_cancellation(external_id) if purpose is Purpose.CANCEL else paths.of_change(external_id),
            body=patch_body(media_type, old, new, self._required(row, new)),
            content_type=media_type,
            idempotency_key=idempotency_key,
        )

    def _required(self, row: RunRow, changed: Collection[str]) -> requests.RequestBody:
        """Return what a PATCH carries besides what it changes."""
        required = requests.type_of_resource(self.profile, row)
        if fields := self.profile.patch_always_has.difference(changed):
            ids = OutboundIds(request_id=row.request_id)
            sent = requests.update_body(self.profile, row.sent or row.requested, ids, sorted(fields))
            required |= {name: value for name, value in sent.items() if value is not None}
        return required

    def _cancelled_spelling(self) -> str:
        """Return the system's spelling of `cancelled`, if the profile has one."""
        spellings = (raw for raw, state in self.profile.state_spellings.items() if state is RunState.CANCELLED)
        return next(spellings, "cancelled")
