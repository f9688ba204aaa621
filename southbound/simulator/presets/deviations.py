"""How a simulated system of TMF653 deviates from the standard, in what it answers and in what it sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import orjson
from aiohttp import web
from pydantic import Field

from schemas.base import Model
from schemas.vocabulary import RunState
from southbound.simulator import http_responses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.typedefs import Handler

    from schemas.text.json_types import Json

SuccessStatus = Annotated[int, Field(ge=200, le=299)]
ErrorStatus = Annotated[int, Field(ge=400, le=599)]
_SUCCESS_LIMIT, _ERRORS, _NOT_FOUND = 300, 400, 404


class SystemDeviations(Model):
    """Deviations that were seen in real systems. Without one, the system keeps to TMF653."""

    success_statuses: dict[Literal["GET", "POST", "PATCH", "DELETE"], SuccessStatus] = Field(
        default_factory=dict, description="The status that means success, by method, such as `{PATCH: 201}`."
    )
    error_statuses: dict[ErrorStatus, ErrorStatus] = Field(
        default_factory=dict,
        max_length=100,
        description="Statuses that it answers instead of others, such as `{422: 400, 429: 403}`.",
    )
    error_codes: Literal["text", "number"] = Field(
        default="text", description="`number`: an error is `{code, reason, message}`, and its code a number."
    )
    unknown_test: Literal["not_found", "empty"] = Field(
        default="not_found",
        description="`empty`: a GET of a test that it does not have gets 200 without a body, a PATCH of it null.",
    )
    ignores_filters: bool = Field(default=False, description="Whether a list shows all tests, whatever is asked for.")
    state_spellings: dict[RunState, Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        default_factory=dict, description="What it calls states, such as `{inProgress: running}`."
    )
    event_types: dict[str, Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,100}$")]] = Field(
        default_factory=dict,
        max_length=100,
        description=(
            "Types of events that it sends instead of others, such as"
            " `{ServiceTestStateChangeEvent: ServiceTestCompleteEvent}`."
        ),
    )


class Deviator:
    """A layer of a system that applies its deviations."""

    def __init__(self, deviations: SystemDeviations) -> None:
        self._deviations = deviations
        self._spellings = {state.value: text for state, text in deviations.state_spellings.items()}

    async def process(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Process a request with its handler, and let the response deviate."""
        lists = request.method == "GET" and request.path.endswith("/serviceTest")
        if self._deviations.ignores_filters and lists:
            request = request.clone(rel_url=request.rel_url.with_query(None))
        response = await handler(request)
        return self._deviated(request, response) if isinstance(response, web.Response) else response

    def event(self, event: Json) -> Json:
        """Return an event as the system sends it."""
        kind = str(event.get("eventType", ""))
        named = {**event, "eventType": self._deviations.event_types.get(kind, kind)}
        spelled = _spelled(named, self._spellings) if self._spellings else named
        return spelled if isinstance(spelled, dict) else named

    def _deviated(self, request: web.Request, response: web.Response) -> web.Response:
        if response.status >= _ERRORS:
            return self._error(request, response)
        if response.status < _SUCCESS_LIMIT:
            response.set_status(self._deviations.success_statuses.get(request.method, response.status))  # type: ignore[call-overload] # other methods have none
        if self._spellings and isinstance(response.body, bytes) and response.body:
            response.body = orjson.dumps(_spelled(orjson.loads(response.body), self._spellings))
        return response

    def _error(self, request: web.Request, response: web.Response) -> web.Response:
        is_about_test = "/serviceTest/" in request.path
        if response.status == _NOT_FOUND and is_about_test and self._deviations.unknown_test == "empty":
            return http_responses.json_response(200, None) if request.method == "PATCH" else web.Response(status=200)
        response.set_status(self._deviations.error_statuses.get(response.status, response.status))
        if self._deviations.error_codes == "number" and isinstance(response.body, bytes):
            error = orjson.loads(response.body)
            if isinstance(error, dict):
                kept = {name: error.get(name) for name in ("reason", "message")}
                response.body = orjson.dumps({"code": response.status, **kept})
        return response


def _spelled(content: object, spellings: Mapping[str, str]) -> object:
    """Return content with the values of its fields `state` replaced."""
    if isinstance(content, list):
        return [_spelled(each, spellings) for each in content]
    if not isinstance(content, dict):
        return content
    return {
        name: spellings.get(value, value) if name == "state" and isinstance(value, str) else _spelled(value, spellings)
        for name, value in content.items()
    }
