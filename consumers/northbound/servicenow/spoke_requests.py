"""Serve requests of ServiceNow's spoke selector: order a run, wait for its end, and answer within a time limit."""

from __future__ import annotations

import asyncio
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from consumers.northbound.access.request_keys import name_run
from consumers.northbound.api.resource_routes import ResourceRoutes
from consumers.northbound.api.responses import RETRY_AFTER, json_response, not_kept_header
from consumers.northbound.orders.place_order import OrderPlacer
from consumers.northbound.servicenow.openapi import REQUESTS_PATH, request_paths, request_schemas
from consumers.northbound.servicenow.run_signals import TooManyWaitingError
from consumers.store.port import StoreUnavailableError
from router.northbound.api_version import ApiVersion
from router.northbound.errors import ApiRefusedError, MistakeCode, refuse
from router.northbound.not_kept import not_kept
from router.northbound.principal import Scope
from router.northbound.resource import href_of
from router.northbound.servicenow.read_body import read_new_run
from router.northbound.servicenow.service_test_request import (
    AnswerForm,
    RequestAnswer,
    answer_of,
    error_answer,
    has_text_body,
    is_settled,
    later_answer,
    read_service_test_request,
    refusal_answer,
)
from router.northbound.servicenow.shown_run import shown_run, with_type
from router.runs.ids import ordered_run_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from consumers.northbound.api.requests import RequestReader
    from consumers.northbound.orders.api_call import ApiCall
    from consumers.northbound.orders.order_book import OrderBook, OrderOutcome
    from consumers.northbound.servicenow.run_signals import RunSignals, RunWatch
    from router.northbound.order import RunView
    from router.northbound.servicenow.service_test_request import ServiceTestRequest
    from router.northbound.writeback import TargetFormat
    from schemas.results import Reason

PAUSE = 0.1  # seconds between two reads of a run, whatever is published about it
READ_AGAIN_AFTER = 5.0  # seconds without a signal until the run is read all the same, if Kafka cannot be read
_PREFER_WAIT = re.compile("wait=([0-9]{1,9})")  # RFC 7240 §4.3


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokeRequestSettings:
    """How requests are answered. `time_limit` is in seconds; `tables` are those whose records are taken."""

    time_limit: float
    tables: Collection[str]
    form: TargetFormat
    read_again_after: float = READ_AGAIN_AFTER


def spoke_requests_resource(
    book: OrderBook,
    reader: RequestReader,
    signals: RunSignals,
    settings: SpokeRequestSettings,
    on_answer: Callable[[str], None] = lambda _: None,
) -> ResourceRoutes:
    """Return the route of requests; `on_answer` is called with what each was answered."""
    handler = _SpokeRequestHandler(book=book, reader=reader, signals=signals, settings=settings, on_answer=on_answer)
    return ResourceRoutes(
        routes=[web.post(REQUESTS_PATH, handler.answer)],
        paths=request_paths(),
        schemas=request_schemas(settings.tables),
        error_forms={REQUESTS_PATH: lambda error: error_answer(error).as_json(is_text=False)},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _SpokeRequestHandler:
    """Handles the requests."""

    book: OrderBook
    reader: RequestReader
    signals: RunSignals
    settings: SpokeRequestSettings
    on_answer: Callable[[str], None]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer POST: 200 with the result, 202 if it comes later; what is refused is a failure with its status."""
        call = self.reader.call(request, is_v5=True)
        content: object = None
        try:
            call.require(Scope.ORDER)
            content = await self.reader.json_body(request)
            wanted = read_service_test_request(content, self.settings.tables)
            seconds = _wait_of(request, self.settings.time_limit)
            return await self._order_and_wait(request, call, wanted, seconds)
        except ApiRefusedError as refused:
            return self._refused(refused, content)
        except StoreUnavailableError:
            return self._refused(refuse(503, MistakeCode.OTHER, "the run store is not available: try again"), content)

    def _refused(self, refused: ApiRefusedError, content: object) -> web.Response:
        self.on_answer("refused")
        headers = {"Retry-After": RETRY_AFTER} if refused.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
        return json_response(refused.status, refusal_answer(refused).as_json(is_text=has_text_body(content)), headers)

    async def _order_and_wait(
        self, request: web.Request, call: ApiCall, wanted: ServiceTestRequest, seconds: float
    ) -> web.Response:
        deadline = asyncio.get_running_loop().time() + seconds
        body = read_new_run(wanted.body, self.settings.form.zone)
        # Watched before it is ordered: routing may have refused it when the order is acknowledged.
        with self._watch(ordered_run_id(call.client, wanted.own_id), seconds) as watch:
            outcome = await OrderPlacer(book=self.book).place(call, body)
            name_run(request, outcome.view.run_id)
            family = await self._wait(request, outcome, watch, deadline)
        reasons = watch.refusals.get(outcome.view.run_id, ()) if watch is not None else ()
        return self._response(call, family, reasons, wanted)

    @contextmanager
    def _watch(self, run_id: str, seconds: float) -> Iterator[RunWatch | None]:
        """Watch a run; None if nothing is to be waited for, or too many requests wait."""
        if seconds > 0:
            with suppress(TooManyWaitingError), self.signals.watch(run_id) as watch:
                yield watch
                return
        yield None

    async def _wait(
        self, request: web.Request, outcome: OrderOutcome, watch: RunWatch | None, deadline: float
    ) -> Sequence[RunView]:
        """Return the run with its children once it is settled or refused, or as it is when the time is over."""
        clock, view = asyncio.get_running_loop().time, outcome.view
        family: Sequence[RunView] = [view]
        if watch is not None:
            watch.also(view.document.root_run_id)
        while True:
            if watch is not None:
                watch.clear()
            family = await self._read(family)
            left = deadline - clock()
            is_over = watch is None or left <= 0 or self.signals.is_closed or _is_gone(request)
            if is_over or is_settled(family) or view.run_id in watch.refusals:  # type: ignore[union-attr] # not None
                return family
            await watch.wait(min(left, self.settings.read_again_after))  # type: ignore[union-attr] # as above
            await asyncio.sleep(min(PAUSE, max(0.0, deadline - clock())))

    async def _read(self, known: Sequence[RunView]) -> Sequence[RunView]:
        """Return the run as the store has it, with its children once it has ended; what is known during an outage."""
        try:
            view = await self.book.store.view(known[0].run_id)
            if view is None:
                return known
            if not is_settled([view]) or view.document.parent_run_id is not None:
                return [view]
            family = await self.book.store.family(view)
        except StoreUnavailableError:
            return known
        return [view, *(each for each in family if each.run_id != view.run_id)]

    def _response(
        self, call: ApiCall, family: Sequence[RunView], reasons: Sequence[Reason], wanted: ServiceTestRequest
    ) -> web.Response:
        address = href_of(family[0].run_id, ApiVersion.V4_1)
        form = AnswerForm(form=self.settings.form, client=call.client, address=address)
        is_final = bool(reasons) or is_settled(family)
        answer: RequestAnswer = answer_of(family, reasons, form) if is_final else later_answer(family, form)
        self.on_answer("later" if not is_final else "completed" if answer.status_code == "1" else "failed")
        shown = with_type(shown_run(family[0], self.settings.form, call.client))
        headers = not_kept_header(not_kept(wanted.body, shown, within="/request_body"))
        return json_response(200 if is_final else 202, answer.as_json(is_text=wanted.is_text), headers)


def _wait_of(request: web.Request, limit: float) -> float:
    """Return for how many seconds the client wants to wait: `Prefer: wait=10` lowers the limit, `respond-async` to 0.

    What cannot be read is ignored, as RFC 7240 §2 says.
    """
    wanted = limit
    for preference in ",".join(request.headers.getall("Prefer", ())).split(","):
        word = preference.strip().lower()
        if word == "respond-async":
            return 0.0
        if found := _PREFER_WAIT.fullmatch(word):
            wanted = min(wanted, float(found[1]))
    return wanted


def _is_gone(request: web.Request) -> bool:
    """Return whether the client has closed its connection."""
    return request.transport is None or request.transport.is_closing()
