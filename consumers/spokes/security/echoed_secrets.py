"""Remove our credentials from a response that repeats them: what a system says of an error is logged and published."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import unquote

from router.responses import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumers.spokes.transport import HttpRequest
    from router.responses import NoResponse

MASK = b"***"
_MIN_LENGTH = 6  # characters; a shorter secret would be found in other words
_MIN_LENGTH_IN_SUCCESS = 16  # where a word of the run itself would be lost
_ESCAPED = re.compile(r"""["&'<>\\]""")
_FIRST_FAILURE = 300  # of the statuses


def without_credentials(
    response: HttpResponse | NoResponse, request: HttpRequest, without: HttpRequest
) -> HttpResponse | NoResponse:
    """Return a response without what `request` has more than `without`, the same request without credentials."""
    if request is without or not isinstance(response, HttpResponse) or not response.body:
        return response
    shortest = _MIN_LENGTH if response.status >= _FIRST_FAILURE else _MIN_LENGTH_IN_SUCCESS
    body = response.body
    for secret in _secrets(request, without):
        if len(secret) >= shortest and secret in body:
            body = body.replace(secret, MASK)
    return response if body is response.body else replace(response, body=body)


def _secrets(request: HttpRequest, without: HttpRequest) -> Iterator[bytes]:
    """Yield each secret in the forms in which a system may repeat it, the longest first."""
    added = [value for name, value in request.headers.items() if without.headers.get(name) != value]
    if len(request.url) > len(without.url):
        written = request.url[len(without.url) :].partition("=")[2]
        added += [written, unquote(written)]
    for value in added:
        scheme, _, credentials = value.partition(" ")
        for secret in (value, credentials, *_password(scheme, credentials)):
            yield secret.encode(errors="replace")
            if "/" in secret:  # as PHP writes it in JSON
                yield secret.replace("/", "\\/").encode(errors="replace")
            if _ESCAPED.search(secret):  # as texts of JSON and HTML write it
                yield json.dumps(secret)[1:-1].encode()
                yield escape(secret).encode(errors="replace")
                yield escape(secret, quote=False).encode(errors="replace")


def _password(scheme: str, credentials: str) -> tuple[str, ...]:
    if scheme.casefold() != "basic":
        return ()
    return (b64decode(credentials).decode(errors="replace").partition(":")[2],)
