"""Let requests pass to the northbound handlers: authenticated, within limits and scopes, before a body is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol
from uuid import uuid4

import structlog
from aiohttp import web

from consumers.inbound.connection_gate import peer_network
from consumers.northbound.access.addresses import client_address
from consumers.northbound.access.audit import AuditEntry, is_change, outcome_of
from consumers.northbound.access.authenticator import authenticate_by_one
from consumers.northbound.access.client_limits import ClientLimits, Rate
from consumers.northbound.access.refusals import REALM, AccessRefusedError, retry_after
from consumers.northbound.access.request_keys import AUDITED_RUN, CORRELATION_ID, PRINCIPAL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp.typedefs import Handler, Middleware

    from consumers.northbound.access.addresses import Network
    from consumers.northbound.access.audit import AuditOutcome
    from consumers.northbound.access.authenticator import AuthenticatedClient, Authenticator
    from router.northbound.principal import Scope


log = structlog.get_logger()
CORRELATION_HEADER = "X-Correlation-Id"
UNKNOWN_CLIENT: Final = ""
_CORRELATION = re.compile(r"[A-Za-z0-9._:-]{1,100}")


class CountRequest(Protocol):
    """Counts every request by its outcome; `client` is empty if it is not known."""

    def __call__(self, client: str, outcome: str) -> None:
        """Count one request."""


class WriteAuditEntry(Protocol):
    """Writes the audit log."""

    def __call__(self, entry: AuditEntry, /) -> None:
        """Write one line."""


def ignore_request(client: str, outcome: str) -> None:
    """Count nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLimits:
    """Limits per client, unless its key has others. `failures` is per address, for invalid credentials."""

    rate: Rate
    failures: Rate
    max_body_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPolicy:
    """The configuration of the guard. `scopes_for` returns the scopes of which a request needs one; None: none."""

    authenticators: Sequence[Authenticator]
    scopes_for: Callable[[web.Request], frozenset[Scope] | None]
    limits: AccessLimits
    proxies: Sequence[Network] = ()
    credential_headers: Sequence[str] = ("Authorization",)


class AccessGuard:
    """Refuses requests before their body is read, and writes the audit log of those that pass."""

    def __init__(
        self,
        policy: AccessPolicy,
        *,
        clock: Callable[[], float],
        audit: WriteAuditEntry,
        on_request: CountRequest = ignore_request,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._policy = policy
        self._audit = audit
        self._count = on_request
        self._new_id = new_id
        self._rates = ClientLimits(clock)
        self._failures = ClientLimits(clock)

    def middleware(self) -> Middleware:
        """Return the middleware of an aiohttp application; it has to be the first one."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._handle(request, handler)

        return guard

    async def _handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        correlation_id = request[CORRELATION_ID] = self._correlation_id(request)
        address = client_address(request.remote or "", request.headers, self._policy.proxies)
        try:
            passed = await self._let_pass(request, address)
        except AccessRefusedError as refused:
            response: web.StreamResponse = refused.response()
        else:
            response = await self._respond(passed, handler, address)
        if not response.prepared:
            response.headers[CORRELATION_HEADER] = correlation_id
        return response

    async def _let_pass(self, request: web.Request, address: str) -> tuple[web.Request, AuthenticatedClient | None]:
        """Return the request with its principal.

        Raises:
            AccessRefusedError: it does not pass; that is counted and logged.
        """
        scopes = self._policy.scopes_for(request)
        if scopes is None:
            self._limit(f"address {peer_network(address)}", self._policy.limits.rate)
            return request, None
        try:
            client = await self._authenticate(request, address)
        except AccessRefusedError as refused:
            self._count(UNKNOWN_CLIENT, refused.code)
            raise
        request[PRINCIPAL] = client.principal
        try:
            return self._admit(request, client, scopes), client
        except AccessRefusedError as refused:
            self._count(client.principal.name, refused.code)
            if refused.code != "rateLimited":  # there may be any number of them
                self._write_audit(request, client, address, refused.status, "refused")
            raise

    async def _authenticate(self, request: web.Request, address: str) -> AuthenticatedClient:
        limit, network = self._policy.limits.failures, peer_network(address)
        if (wait := self._failures.wait(network, limit)) > 0:
            sentence = "too many requests from this address had no valid credentials: wait"
            raise AccessRefusedError(429, "tooManyFailures", sentence, retry_after(wait))
        try:
            self._refuse_repeated_headers(request)
            return await authenticate_by_one(self._policy.authenticators, request.headers)
        except AccessRefusedError as refused:
            if refused.code != "identityUnavailable":
                self._failures.take(network, limit)
                log.warning(
                    "request without valid credentials", address=address, code=refused.code, reason=str(refused)
                )
            raise

    def _refuse_repeated_headers(self, request: web.Request) -> None:
        for name in self._policy.credential_headers:
            if len(request.headers.getall(name, ())) > 1:
                raise AccessRefusedError(400, "twoCredentials", f"the header {name} is sent twice: send it once")

    def _admit(self, request: web.Request, client: AuthenticatedClient, scopes: frozenset[Scope]) -> web.Request:
        limits = self._policy.limits
        if client.credential != "none":
            own = Rate(per_second=client.rate or limits.rate.per_second, burst=client.burst or limits.rate.burst)
            self._limit(client.principal.name, own)
        if not any(client.principal.may(scope) for scope in scopes):
            raise forbidden(scopes)
        largest = client.max_body_bytes or limits.max_body_bytes
        if (request.content_length or 0) > largest:
            raise too_large(largest)
        return request if largest == request.client_max_size else request.clone(client_max_size=largest)

    def _limit(self, client: str, rate: Rate) -> None:
        if (wait := self._rates.take(client, rate)) > 0:
            sentence = f"the client may make {rate.per_second:g} requests per second: wait"
            raise AccessRefusedError(429, "rateLimited", sentence, retry_after(wait))

    async def _respond(
        self, passed: tuple[web.Request, AuthenticatedClient | None], handler: Handler, address: str
    ) -> web.StreamResponse:
        request, client = passed
        status, outcome = 0, None
        try:
            response = await _call(handler, request)
            status, outcome = response.status, outcome_of(response.status)
            return response  # noqa: TRY300 - what `finally` writes is about it
        except web.HTTPException as raised:
            status, outcome = raised.status, outcome_of(raised.status)
            raise
        except Exception:
            status, outcome = 500, "failed"
            raise
        finally:
            outcome = outcome or "aborted"  # the client went away, or the server stops
            self._count(client.principal.name if client else UNKNOWN_CLIENT, outcome)
            if client is not None:
                self._write_audit(request, client, address, status, outcome)

    def _write_audit(
        self, request: web.Request, client: AuthenticatedClient, address: str, status: int, outcome: AuditOutcome
    ) -> None:
        if not is_change(request.method):
            return
        entry = AuditEntry(
            client=client,
            address=address,
            method=request.method,
            path=request.path,
            run=request.get(AUDITED_RUN, ""),
            status=status,
            outcome=outcome,
            correlation_id=request[CORRELATION_ID],
        )
        self._audit(entry)

    def _correlation_id(self, request: web.Request) -> str:
        given = request.headers.get(CORRELATION_HEADER, "")
        return given if _CORRELATION.fullmatch(given) else self._new_id()


async def _call(handler: Handler, request: web.Request) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:  # of a body that did not say its length
        return too_large(request.client_max_size).response()


def forbidden(scopes: frozenset[Scope]) -> AccessRefusedError:
    """Return the refusal of a client that has none of the scopes (RFC 6750 §3.1)."""
    needed = " or ".join(sorted(scope.value for scope in scopes))
    listed = " ".join(sorted(scope.value for scope in scopes))
    challenge = f'Bearer {REALM}, error="insufficient_scope", scope="{listed}"'
    return AccessRefusedError(403, "forbidden", f"the client needs the scope {needed}", {"WWW-Authenticate": challenge})


def too_large(limit: int) -> AccessRefusedError:
    """Return the refusal of a body."""
    return AccessRefusedError(413, "tooLarge", f"the body is larger than {limit} bytes, which is the client's limit")
