"""A spoke whose bodies are mapped: on their way out after it, and on their way in before it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from consumers.spokes.mapping.compiled import compile_rules
from consumers.spokes.mapping.next_page import next_page, total_in
from consumers.spokes.mapping.pointers import find, parse_pointer
from consumers.spokes.port import FollowsChanges, FollowsLocation, NamesChildren, NotUnderstoodError, ReadsLists
from consumers.spokes.profile import CancelMethod
from consumers.spokes.tmf653.envelopes import open_envelope
from consumers.spokes.tmf653.fields import CHILDREN
from consumers.spokes.tmf653.lenient_json import parse_json
from schemas.vocabulary import Channel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumers.spokes.port import Call, ChangeProcess, LookUpPage, Spoke
    from router.responses import HttpResponse
    from router.runs.changes import FieldChange
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.commands import SendRun
    from schemas.inbound import InboundReceived
    from schemas.results import Reason
    from schemas.run_document import RunDocument
    from schemas.text.json_types import Json


class MappedSpoke:
    """A `Spoke` that applies the mapping of a profile around a TMF653 `Spoke`."""

    def __init__(self, inner: Spoke) -> None:
        self.profile = inner.profile
        self._inner = inner
        rules = inner.profile.mapping
        self._create = compile_rules((*rules.send, *rules.create), writes=True)
        self._change = compile_rules((*rules.send, *rules.change), writes=True)
        self._receive = compile_rules(rules.receive, writes=False)
        self._event = compile_rules(rules.event, writes=False)
        self._run_at = parse_pointer(rules.run_at) if rules.run_at else ()
        self._runs_at = parse_pointer(rules.runs_at) if rules.runs_at else ()
        self._total_at = parse_pointer(rules.total_at) if rules.total_at else ()
        self._next_at = parse_pointer(rules.next_at) if rules.next_at else ()
        self._cursor = self.profile.query_names.get("cursor", "cursor")

    def to_send(self, command: SendRun, parent: RunRow | None) -> Call:
        """POST of a run, mapped."""
        return _with_body(self._inner.to_send(command, parent), self._create)

    def to_change(self, row: RunRow, changes: Sequence[FieldChange], idempotency_key: str) -> Call:
        """PATCH, mapped."""
        return _with_body(self._inner.to_change(row, changes, idempotency_key), self._change)

    def to_name_children(self, parent: RunRow, grandparent: RunRow | None, children: Sequence[RunRow]) -> Call:
        """PATCH of the relationships of a run, mapped."""
        if not isinstance(self._inner, NamesChildren):
            raise TypeError("a mapping is for the fields of TMF653")
        return _with_body(self._inner.to_name_children(parent, grandparent, children), self._change)

    def to_cancel(self, row: RunRow, reason: str | None, idempotency_key: str) -> Call:
        """Cancel; a body with the state is mapped, and that of a task is not."""
        call = self._inner.to_cancel(row, reason, idempotency_key)
        return call if self.profile.cancel is CancelMethod.TASK else _with_body(call, self._change)

    def to_read_cancellation(self, task_id: str) -> Call | None:
        """GET the task that cancels a run, if the spoke has one."""
        return self._inner.to_read_cancellation(task_id)

    def to_look_up(self, run: RunDocument) -> Call | None:
        """Return the look-up of the profile."""
        return self._inner.to_look_up(run)

    def to_read(self, external_id: str) -> Call:
        """GET one run."""
        return self._inner.to_read(external_id)

    def to_list(self, offset: int) -> Call:
        """GET a page of all runs."""
        return self._inner.to_list(offset)

    def read_reply(self, response: HttpResponse) -> ExternalReport:
        """Read the body of a response about one run, mapped.

        Raises:
            NotUnderstoodError: the body is not usable.
        """
        return self._inner.read_reply(self._mapped(response))

    def to_follow(self, href: str) -> Call | None:
        """GET an address that the system named, if the spoke follows it."""
        return self._inner.to_follow(href) if isinstance(self._inner, FollowsLocation) else None

    def read_followed(self, response: HttpResponse) -> ExternalReport | str | None:
        """Return the run that a mapped answer shows or names, the address where to ask next, or nothing yet.

        Raises:
            NotUnderstoodError: the body is not JSON.
        """
        return self._inner.read_followed(self._mapped(response)) if isinstance(self._inner, FollowsLocation) else None

    def read_process(self, response: HttpResponse, row: RunRow) -> ChangeProcess | None:
        """Read what the system says of a change that it processes later, if the spoke follows that.

        Raises:
            NotUnderstoodError: the body is not usable.
        """
        return self._inner.read_process(response, row) if isinstance(self._inner, FollowsChanges) else None

    def to_read_process(self, href: str) -> Call | None:
        """GET the address of such a process, if the spoke follows it."""
        return self._inner.to_read_process(href) if isinstance(self._inner, FollowsChanges) else None

    def contradictions(self, response: HttpResponse, row: RunRow, changes: Sequence[FieldChange]) -> tuple[Reason, ...]:
        """Return why the mapped response shows that the changes are not made."""
        return self._inner.contradictions(self._mapped(response), row, changes)

    def read_page(self, response: HttpResponse, run: RunDocument, replaced: Sequence[str] = ()) -> LookUpPage:
        """Read the response to a look-up, with each run mapped.

        Raises:
            NotUnderstoodError: the body is not usable.
        """
        if not response.body.strip() or response.status == self.profile.empty_list_status:
            return self._inner.read_page(response, run, replaced)
        whole = parse_json(response.body, response.headers.get("content-type"))
        next_call = next_page(whole, self._next_at, self._inner.to_list(0), self._cursor) if self._next_at else None
        total = total_in(whole, self._total_at) if self._total_at else None
        page = self._inner.read_page(_with_content(response, self._runs(whole), total), run, replaced)
        return replace(page, next_call=next_call, is_last=next_call is None) if self._next_at else page

    def read_list(self, response: HttpResponse, limit: int) -> tuple[ExternalReport, ...]:
        """Return what a page of the list shows about its first runs, mapped.

        Raises:
            NotUnderstoodError: the body is not usable.
        """
        if not isinstance(self._inner, ReadsLists):
            raise NotUnderstoodError("the dialect does not read lists")
        if response.body.strip() and response.status != self.profile.empty_list_status:
            whole = parse_json(response.body, response.headers.get("content-type"))
            response = _with_content(response, self._runs(whole))
        return self._inner.read_list(response, limit)

    def _runs(self, whole: object) -> object:
        body = self._at(whole, self._runs_at)
        return [self._run(each) for each in body] if isinstance(body, list) else self._run(body)

    def check_callback(self, received: InboundReceived) -> str | None:
        """Return the external id of a mapped notification that perhaps names a run.

        Raises:
            NotUnderstoodError: it certainly does not.
        """
        return self._inner.check_callback(self._mapped_event(received))

    def read_callback(self, received: InboundReceived) -> ExternalReport:
        """Read a notification or polled body, mapped.

        Raises:
            NotUnderstoodError: the body is not usable.
        """
        return self._inner.read_callback(self._mapped_event(received))

    def _mapped(self, response: HttpResponse) -> HttpResponse:
        """Return a response with the run where TMF653 has it; one that is no JSON, or no object, as it is."""
        if not response.body.strip():
            return response
        try:
            body = parse_json(response.body, response.headers.get("content-type"))
        except NotUnderstoodError:
            return response
        return _with_content(response, self._run(self._at(body, self._run_at))) if isinstance(body, dict) else response

    def _mapped_event(self, received: InboundReceived) -> InboundReceived:
        body = parse_json(received.body, received.content_type)
        if not isinstance(body, dict):
            return received
        if received.channel is Channel.POLL:
            body = self._run(self._at(body, self._run_at))
        else:
            body = self._event(open_envelope(body))
            event = body.get("event")
            if not isinstance(event, dict):
                body = self._run(body)
            elif isinstance(event.get("serviceTest"), dict):
                event["serviceTest"] = self._run(event["serviceTest"])
        return received.model_copy(update={"body": _dump(body), "content_type": "application/json"})

    def _run(self, body: object) -> object:
        if not isinstance(body, dict):
            return body
        mapped = self._receive(body)
        if isinstance(children := mapped.get(CHILDREN), list):
            mapped[CHILDREN] = [self._run(child) for child in children]
        return mapped

    @staticmethod
    def _at(body: object, pointer: tuple[object, ...]) -> object:
        """Return what is in this place; the whole body if there is nothing, such as in an error."""
        return next((value for _, value in find(body, pointer)), body) if pointer else body  # type: ignore[arg-type]


def _with_body(call: Call, apply: Callable[[Json], Json]) -> Call:
    if call.body is None:
        return call
    body = orjson.loads(call.body)
    return replace(call, body=orjson.dumps(_with_children(body, apply))) if isinstance(body, dict) else call


def _with_children(body: Json, apply: Callable[[Json], Json]) -> Json:
    if isinstance(children := body.get(CHILDREN), list):
        body[CHILDREN] = [_with_children(child, apply) for child in children if isinstance(child, dict)]
    return apply(body)


def _with_content(response: HttpResponse, body: object, total: str | None = None) -> HttpResponse:
    headers = {**response.headers, "content-type": "application/json"}
    if total is not None:
        headers["x-total-count"] = total
    return replace(response, body=_dump(body), headers=headers)


def _dump(body: object) -> bytes:
    # A number that 64 bits do not hold was read as a text, and stays one: its digits are kept.
    try:
        return orjson.dumps(body)
    except TypeError:
        raise NotUnderstoodError("the body is nested too deeply") from None
