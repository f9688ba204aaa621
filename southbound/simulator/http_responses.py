"""HTTP responses as TMF653 defines them, and reading of request bodies."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from southbound.simulator.errors import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp.typedefs import Handler

    from schemas.results import Reason

JSON_TYPES = ("application/json", "application/merge-patch+json")
ABORT_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, zero seconds


def json_response(status: int, content: object, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a JSON response."""
    body = orjson.dumps(content)
    return web.Response(status=status, body=body, headers=headers, content_type="application/json")


def error_response(status: int, code: str, reason: str, message: str, pointer: str = "") -> web.Response:
    """Return a TMF `Error`; `pointer` names the place in the body, if there is one."""
    text = f"{pointer}: {message}" if pointer else message
    path = {"propertyPath": pointer} if pointer else {}
    error = {"@type": "Error", "code": code, "reason": reason, "message": text, "status": str(status)}
    return json_response(status, error | path)


def rejection_response(refusal: RequestRefusedError) -> web.Response:
    """Return the TMF `Error` for a refused request."""
    return error_response(refusal.status, refusal.code, refusal.code, refusal.message, refusal.pointer)


def rejections_response(reasons: Sequence[Reason]) -> web.Response:
    """Return 422: one reason as a TMF `Error`, several as a list of them (as MEF W149 does)."""
    errors = [
        {"code": r.code, "reason": r.code, "message": r.message, "status": "422"}
        | ({"propertyPath": r.property_path} if r.property_path else {})
        for r in reasons
    ]
    return json_response(422, errors[0] if len(errors) == 1 else errors)


def reset_connection(request: web.Request) -> web.Response:
    """Reset the connection of a request: the client receives RST instead of a response."""
    if request.transport is not None:
        bound = request.transport.get_extra_info("socket")
        # Through a duplicate, because uvloop does not allow options to be set on its own socket object.
        with socket.socket(fileno=os.dup(bound.fileno())) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT_ON_CLOSE)
        request.transport.abort()
    return web.Response(status=500)  # never sent: the connection is closed


async def read_json_body(request: web.Request) -> dict[str, object]:
    """Return the JSON object in the body of a request.

    Raises:
        RequestRefusedError: it is something else.
    """
    content = await read_json(request, JSON_TYPES)
    if not isinstance(content, dict):
        raise RequestRefusedError(400, "malformed", "the body must be a JSON object")
    return content


async def read_json(request: web.Request, media_types: Sequence[str]) -> object:
    """Return the JSON in the body of a request.

    Raises:
        RequestRefusedError: it is something else, or has another media type.
    """
    if request.content_type not in media_types:
        raise RequestRefusedError(415, "unsupportedMediaType", f"send application/json, not {request.content_type}")
    try:
        content: object = orjson.loads(await request.read())
    except orjson.JSONDecodeError as malformed:
        raise RequestRefusedError(400, "malformed", f"the body is not JSON: {malformed}") from malformed
    return content


@web.middleware
async def tmf_error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals and client errors into a TMF `Error`."""
    try:
        return await handler(request)
    except RequestRefusedError as refusal:
        return rejection_response(refusal)
    except web.HTTPClientError as error:
        text = f"{request.method} {request.path}: {error.reason}"
        return error_response(error.status, str(error.status), error.reason, text)
