"""Responses of the interface, and errors as TMF653 writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import structlog
from aiohttp import web

from consumers.store.port import StoreUnavailableError
from router.northbound.errors import ApiRefusedError, Mistake, MistakeCode, error_document, refuse
from router.northbound.not_kept import NOT_KEPT_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiohttp.typedefs import Handler, Middleware

    from schemas.text.json_types import JsonMapping


log = structlog.get_logger()
RETRY_AFTER = "2"  # seconds
_UNAVAILABLE = 503
_LEAST_ERROR = 400
_SENTENCES = {
    404: "there is nothing at this path: /openapi.json lists the paths",
    405: "this path does not take this method",
}


def json_response(status: int, content: object, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a response with a JSON body."""
    return web.Response(
        status=status, body=orjson.dumps(content), headers=headers, content_type="application/json", charset="utf-8"
    )


def not_kept_header(pointers: str) -> dict[str, str]:
    """Return the header that names what was sent and is not kept; none if there is nothing."""
    return {NOT_KEPT_HEADER: pointers} if pointers else {}


def error_response(status: int, mistakes: Sequence[Mistake], headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a TMF `Error`."""
    retry = {"Retry-After": RETRY_AFTER} if status == _UNAVAILABLE else {}
    return json_response(status, error_document(status, mistakes), {**retry, **(headers or {})})


@web.middleware
async def tmf_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into a TMF `Error`; nothing of the request is quoted in a log."""
    try:
        return await handler(request)
    except ApiRefusedError as refused:
        return error_response(refused.status, refused.mistakes)
    except web.HTTPException as error:
        return _of_http_exception(error)
    except StoreUnavailableError:
        return error_response(_UNAVAILABLE, [Mistake(MistakeCode.OTHER, "the run store is not available: try again")])
    except Exception as error:  # noqa: BLE001 - the client must get an answer, and the process must go on
        event = "request failed because of a programming error"
        log.error(event, method=request.method, error=type(error).__name__)  # noqa: TRY400 - a traceback could quote it
        return error_response(
            500, [Mistake(MistakeCode.OTHER, "the request failed; the operators find it in their logs")]
        )


def in_forms(forms: Mapping[str, Callable[[JsonMapping], JsonMapping]]) -> Middleware:
    """Return what writes the TMF errors of these paths in another form, with their statuses and headers."""

    @web.middleware
    async def write(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        form = forms.get(request.path)
        if form is None or response.status < _LEAST_ERROR or not isinstance(response, web.Response):
            return response
        error = orjson.loads(response.body) if isinstance(response.body, bytes) else {}
        if isinstance(error, dict) and error.get("@type") == "Error":
            response.body = orjson.dumps(form(error))
        return response

    return write


def _of_http_exception(error: web.HTTPException) -> web.Response:
    sentence = _SENTENCES.get(error.status, error.reason or "the request is refused")
    headers = {
        name: error.headers[name] for name in ("Allow", "WWW-Authenticate", "Retry-After") if name in error.headers
    }
    return error_response(error.status, [Mistake(MistakeCode.OTHER, sentence)], headers)


def not_acceptable(sentence: str, status: int) -> ApiRefusedError:
    """Return the error of a request whose form, not its content, is refused."""
    return refuse(status, MistakeCode.INVALID_FORMAT, sentence)
