"""Read requests: who calls, the body within its limits, and the conditions of the client."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError

from consumers.inbound.bounded_server import UNKNOWN_CODING
from consumers.northbound.access.request_keys import PRINCIPAL
from consumers.northbound.api.responses import error_response, not_acceptable
from consumers.northbound.orders.api_call import ApiCall
from router.northbound.api_version import ApiVersion
from router.northbound.change import PatchKind
from router.northbound.errors import Mistake, MistakeCode, refuse
from router.northbound.json_limits import MAX_DEPTH, check_json, check_no_nul
from schemas.text.exact_numbers import may_hold_inexact_numbers
from schemas.text.json_body import read_json_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context §3.2
MAX_KEY_LENGTH = 255
_PATCHES_V4 = {
    "application/json": PatchKind.MERGE,
    "application/json-patch+json": PatchKind.JSON,
    "application/merge-patch+json": PatchKind.MERGE,
}
_PATCHES_V5 = {**_PATCHES_V4, "application/json-patch-query+json": PatchKind.JSON_QUERY}
_CODINGS = frozenset({"", "identity", "gzip", "deflate"})
_ETAG = re.compile(r'(W/)?"([^"]*)"')


class Revised(Protocol):
    """A resource as it is now; `revision` differs after every change."""

    @property
    def revision(self) -> str:
        """The revision, as an entity tag has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """Limits of one request and of all together. An order has to fit into one Kafka message."""

    max_body_bytes: int = 512 * 1024
    body_timeout: float = 10.0  # seconds
    default_page: int = 20
    max_page: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReader:
    """Reads requests of version 4, as `v4`, and of version 5. `url` goes before paths; None: what the client called."""

    v4: ApiVersion
    limits: RequestLimits
    url: str | None = None

    def call(self, request: web.Request, *, is_v5: bool) -> ApiCall:
        """Return who calls, and how."""
        trace = request.headers.get("traceparent", "")
        return ApiCall(
            principal=request[PRINCIPAL],
            version=ApiVersion.V5 if is_v5 else self.v4,
            traceparent=trace if TRACEPARENT.fullmatch(trace) else None,
        )

    def base_url(self, request: web.Request) -> str:
        """Return what goes before the path of an address of ours."""
        return self.url if self.url is not None else f"{request.scheme}://{request.host}"

    async def json_body(self, request: web.Request) -> object:
        """Return the JSON of a body.

        Raises:
            ApiRefusedError: 400, 408, 413 or 415.
        """
        kind = request.content_type
        if "Content-Type" in request.headers and kind != "application/json" and not kind.endswith("+json"):
            raise not_acceptable("the body must be application/json", 415)
        body = await self._body(request)
        try:
            content = read_json_body(body, request.headers.get("Content-Type"))
        except ValueError as error:
            if _has_unknown_coding(request):  # which does no harm to a body that is JSON all the same
                raise not_acceptable(UNKNOWN_CODING, 415) from error
            raise not_acceptable(f"the body is not JSON: {error}", 400) from error
        if _may_be_odd(body):
            check_json(content)
            check_no_nul(content)
        return content

    async def _body(self, request: web.Request) -> bytes:
        try:
            if request.content.is_eof():  # all of it is there, as of most: nothing is to be waited for
                return await request.read()
            async with asyncio.timeout(self.limits.body_timeout):
                return await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            raise not_acceptable(f"the body is larger than {request.client_max_size} bytes", 413) from error
        except (web.RequestPayloadError, ConnectionError) as error:
            raise not_acceptable(_sentence_about(error), 400) from error
        except TimeoutError as error:
            sentence = f"the body did not arrive within {self.limits.body_timeout:g} s"
            raise not_acceptable(sentence, 408) from error


def _has_unknown_coding(request: web.Request) -> bool:
    """Return whether a body has a coding that nothing has decoded: several of them, or one that is not known."""
    written = request.headers.getall("Content-Encoding", ())
    return len(written) > 1 or any(one.strip().lower() not in _CODINGS for one in written)


def _sentence_about(error: Exception) -> str:
    if isinstance(error.__cause__, ContentEncodingError):
        return "the body is not in the coding that its Content-Encoding names: correct it"
    return "the body did not arrive whole, or not as its headers say: send it again"


def _may_be_odd(body: bytes) -> bool:
    """Return whether a body could be nested too deeply or hold numbers or NUL that cannot be kept: most could not."""
    if b"\\u0000" in body or b"\x00" in body:  # a NUL that is not escaped: it is not UTF-8
        return True
    return body.count(b"{") + body.count(b"[") >= MAX_DEPTH or may_hold_inexact_numbers(body)


def idempotency_key(request: web.Request) -> str | None:
    """Return the header `Idempotency-Key`, a text with or without quotes (draft-ietf-httpapi-idempotency-key-header).

    Raises:
        ApiRefusedError: 400 for one that is empty or too long.
    """
    written = request.headers.get("Idempotency-Key")
    if written is None:
        return None
    key = written.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key or len(key) > MAX_KEY_LENGTH or not key.isprintable():
        sentence = f"Idempotency-Key must have 1 to {MAX_KEY_LENGTH} printable characters"
        raise refuse(400, MistakeCode.INVALID_VALUE, sentence)
    return key


def patch_kind(request: web.Request, version: ApiVersion) -> PatchKind | None:
    """Return the kind of a patch by its media type; None if this version does not offer it."""
    return _patches(version).get(request.content_type)


def wrong_patch_type(version: ApiVersion) -> web.Response:
    """Return the response (415) to a patch of another media type, with those that this version offers (RFC 5789)."""
    offered = ", ".join(sorted(_patches(version)))
    mistakes = [Mistake(MistakeCode.INVALID_FORMAT, f"a patch must be one of {offered}")]
    return error_response(415, mistakes, {"Accept-Patch": offered})


def _patches(version: ApiVersion) -> Mapping[str, PatchKind]:
    return _PATCHES_V5 if version.is_v5 else _PATCHES_V4


def etag_of(view: Revised) -> str:
    """Return the entity tag of a resource: another one after every change."""
    return f'"{view.revision}"'


def matches_etag(header: str, view: Revised, *, weakly: bool) -> bool:
    """Return whether a list of entity tags has that of the resource; `*` is any."""
    if header.strip() == "*":
        return True
    tags = _ETAG.findall(header)
    return any(tag == view.revision and (weakly or not weak) for weak, tag in tags)


def precondition(request: web.Request, noun: str = "run") -> Callable[[Revised], None]:
    """Return a check of `If-Match`, which raises a ApiRefusedError with 412."""
    header = request.headers.get("If-Match")

    def check(view: Revised) -> None:
        if header is not None and not matches_etag(header, view, weakly=False):
            raise refuse(412, MistakeCode.OTHER, f"the {noun} has changed since it was read: read it again")

    return check
