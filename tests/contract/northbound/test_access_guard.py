"""Over a real server: requests are authenticated before their body is read, limited, refused, and audited."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from consumers.inbound.listen_socket import bound_port, open_port
from consumers.northbound.access.addresses import read_networks
from consumers.northbound.access.api_keys import ApiKeyAuthenticator, KnownKey, digest_of
from consumers.northbound.access.audit import AuditEntry, AuditLog
from consumers.northbound.access.authenticator import AuthenticatedClient
from consumers.northbound.access.bearer_tokens import BearerAuthenticator
from consumers.northbound.access.client_limits import Rate
from consumers.northbound.access.guard import AccessGuard, AccessLimits, AccessPolicy
from consumers.northbound.access.local_clients import LocalAuthenticator
from consumers.northbound.access.request_keys import PRINCIPAL, name_run
from consumers.northbound.tokens.claims import ClaimRules
from consumers.northbound.tokens.jwks_cache import JwksCache
from consumers.northbound.tokens.jwks_fetcher import JwksFetcher
from consumers.northbound.tokens.signature import SignatureVerifier
from router.northbound.principal import Principal, Scope
from tests.builders.tokens import AUDIENCE, ISSUER, NOW, claims, issuer_key, key_set
from tests.fakes.identity_provider import IdentityProvider, identity_provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from consumers.northbound.access.authenticator import Authenticator

    SentBody = bytes | AsyncIterator[bytes] | None

KEY, SMALL_KEY, READER_KEY = "k" * 40, "s" * 40, "r" * 40
SCOPES = {
    "GET": frozenset({Scope.READ}),
    "POST": frozenset({Scope.ORDER}),
    "PATCH": frozenset({Scope.ORDER, Scope.CANCEL}),
    "DELETE": frozenset({Scope.CANCEL}),
}


async def serve_nothing(_: web.Request) -> web.Response:
    return web.json_response({})


def known(
    key: str, name: str, *, rate: float | None = None, burst: int | None = None, size: int | None = None
) -> KnownKey:
    scopes = frozenset({Scope.READ}) if name == "reader" else frozenset({Scope.READ, Scope.ORDER})
    principal = Principal(name=f"key:{name}", tenant="acme", scopes=scopes)
    client = AuthenticatedClient(principal=principal, credential="key", rate=rate, burst=burst, max_body_bytes=size)
    return KnownKey(digest=digest_of(key), client=client)


@dataclass
class GuardedServer:
    """A guarded application with a client, a clock and what it recorded."""

    port: int = 0
    now: float = NOW
    provider: IdentityProvider = field(default_factory=IdentityProvider)
    audited: list[AuditEntry] = field(default_factory=list)
    counted: list[tuple[str, str]] = field(default_factory=list)
    handled: list[str] = field(default_factory=list)
    session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str = "GET",
        *,
        path: str = "/runs/7",
        body: bytes | AsyncIterator[bytes] | None = None,
        **headers: str,
    ) -> tuple[int, Mapping[str, str], Any]:
        assert self.session
        written = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.request(method, url, data=body, headers=written) as response:
            is_json = response.content_type == "application/json"
            return response.status, response.headers, await (response.json() if is_json else response.read())

    async def handle(self, request: web.Request) -> web.Response:
        self.handled.append(request.method)
        if "boom" in request.path:
            raise ValueError("a defect")
        if "refused" in request.path:
            raise web.HTTPConflict
        if request.method != "GET":
            name_run(request, "run-7")
        body = await request.read()
        principal = request[PRINCIPAL]
        return web.json_response({"client": principal.name, "tenant": principal.tenant, "bytes": len(body)})


@asynccontextmanager
async def guarded(
    *authenticators: Authenticator, rate: float = 1_000, burst: int = 1_000, failures: int = 5, proxies: str = ""
) -> AsyncIterator[GuardedServer]:
    server = GuardedServer()
    async with AsyncExitStack() as stack:
        server.provider = await stack.enter_async_context(identity_provider())
        keys = JwksCache(JwksFetcher(server.provider.url), lambda: server.now)
        stack.push_async_callback(keys.close)
        bearer = BearerAuthenticator(
            verifier=SignatureVerifier(["ES256", "RS256"]),
            keys=keys,
            rules=ClaimRules(issuer=ISSUER, audience=AUDIENCE, tenant_claim="tenant"),
            clock=lambda: server.now,
        )
        api_keys = ApiKeyAuthenticator(
            [known(KEY, "ordering"), known(SMALL_KEY, "small", size=10, rate=1, burst=2), known(READER_KEY, "reader")],
            "X-API-Key",
        )
        guard = AccessGuard(
            AccessPolicy(
                authenticators=authenticators or (api_keys, bearer),
                scopes_for=lambda request: None if request.path == "/openapi.json" else SCOPES[request.method],
                limits=AccessLimits(
                    rate=Rate(per_second=rate, burst=burst),
                    failures=Rate(per_second=failures / 60, burst=failures),
                    max_body_bytes=1_000,
                ),
                proxies=read_networks(proxies),
                credential_headers=("Authorization", "X-API-Key"),
            ),
            clock=lambda: server.now,
            audit=server.audited.append,
            on_request=lambda client, outcome: server.counted.append((client, outcome)),
            new_id=lambda: "new-id",
        )
        app = web.Application(client_max_size=1_000, middlewares=[guard.middleware()])
        app.router.add_get("/openapi.json", serve_nothing)
        app.router.add_route("*", "/runs/{id}", server.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        bound = open_port("127.0.0.1", 0)
        await web.SockSite(runner, bound).start()
        server.port = bound_port(bound)
        server.session = await stack.enter_async_context(aiohttp.ClientSession())
        yield server


async def test_a_key_and_a_token_are_a_principal() -> None:
    async with guarded() as server:
        server.provider.document = key_set(issuer_key("one"))
        by_key = await server.request(X_API_Key=KEY)
        by_token = await server.request(Authorization=f"Bearer {issuer_key().sign(claims())}")
        assert by_key[2] == {"client": "key:ordering", "tenant": "acme", "bytes": 0}
        assert by_token[2] == {"client": "token:order-management", "tenant": "acme", "bytes": 0}
        assert server.counted == [("key:ordering", "accepted"), ("token:order-management", "accepted")]


async def test_the_issuer_rotates_its_keys() -> None:
    async with guarded() as server:
        old, new = issuer_key("one", "RS256"), issuer_key("two", "ES256")
        server.provider.document = key_set(old)
        assert (await server.request(Authorization=f"Bearer {old.sign(claims())}"))[0] == 200
        server.provider.document = key_set(old, new)
        server.now += 30
        assert (await server.request(Authorization=f"Bearer {new.sign(claims())}"))[0] == 200
        server.provider.document = key_set(new)
        server.now += 301
        assert (await server.request(Authorization=f"Bearer {old.sign(claims())}"))[0] == 401
        assert (await server.request(Authorization=f"Bearer {new.sign(claims())}"))[0] == 200
        server.provider.status = 503
        server.now += 200
        assert (await server.request(Authorization=f"Bearer {new.sign(claims())}"))[0] == 200
        assert server.provider.requests == 3


@pytest.mark.parametrize(
    ("headers", "status", "code", "challenge"),
    [
        ({}, 401, "unauthenticated", 'ApiKey realm="southbound", header="X-API-Key", Bearer realm="southbound"'),
        ({"X_API_Key": "x" * 40}, 401, "unauthenticated", 'ApiKey realm="southbound", header="X-API-Key"'),
        ({"Authorization": "Basic eDp5"}, 401, "unauthenticated", 'Bearer realm="southbound"'),
        ({"Authorization": "Bearer a.b.c"}, 401, "unauthenticated", 'Bearer realm="southbound", error="invalid_token"'),
    ],
)
async def test_a_refusal_has_the_form_of_tmf(headers: dict[str, Any], status: int, code: str, challenge: str) -> None:
    async with guarded() as server:
        found = await server.request(**headers)
        assert found[0] == status
        assert found[1]["WWW-Authenticate"].startswith(challenge)
        assert found[1]["X-Correlation-Id"] == "new-id"
        assert found[2].keys() == {"@type", "code", "reason", "status"}
        assert (found[2]["code"], found[2]["status"]) == (code, str(status))
        assert server.counted == [("", code)]
        assert server.handled == []


async def test_credentials_of_two_kinds_or_sent_twice_are_refused() -> None:
    async with guarded() as server:
        server.provider.document = key_set(issuer_key("one"))
        token = issuer_key().sign(claims())
        assert (await server.request(X_API_Key=KEY, Authorization=f"Bearer {token}"))[2]["code"] == "twoCredentials"
        assert server.session
        twice = [("X-API-Key", KEY), ("X-API-Key", READER_KEY)]
        async with server.session.get(f"http://127.0.0.1:{server.port}/runs/7", headers=twice) as response:
            assert response.status == 400


async def test_a_client_without_the_scope_is_refused_and_audited() -> None:
    async with guarded() as server:
        found = await server.request("DELETE", X_API_Key=KEY)
        assert (found[0], found[2]["code"]) == (403, "forbidden")
        assert 'error="insufficient_scope", scope="southbound.cancel"' in found[1]["WWW-Authenticate"]
        assert [(entry.status, entry.outcome) for entry in server.audited] == [(403, "refused")]
        assert (await server.request("PATCH", X_API_Key=READER_KEY))[0] == 403
        assert (await server.request("PATCH", X_API_Key=KEY))[0] == 200
        assert server.handled == ["PATCH"]


async def test_a_body_is_not_awaited_of_a_client_that_is_refused() -> None:
    async with guarded() as server:
        for key, status in (("x" * 40, b"401"), (READER_KEY, b"403")):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            head = f"POST /runs/7 HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nContent-Length: 900\r\n\r\n"
            writer.write(head.encode())
            assert status in await asyncio.wait_for(reader.readline(), 60)
            writer.close()


async def test_a_large_body_is_refused_by_its_length_and_while_it_is_read() -> None:
    async def pieces(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 10):
            yield b"x" * 10

    async with guarded() as server:
        for key, size, status in ((KEY, 1_000, 200), (KEY, 1_010, 413), (SMALL_KEY, 10, 200), (SMALL_KEY, 20, 413)):
            server.now += 100
            assert (await server.request("POST", X_API_Key=key, body=b"x" * size))[0] == status
            server.now += 100
            found = await server.request("POST", X_API_Key=key, body=pieces(size))
            assert found[0] == status
            if status == 413:
                assert found[2]["code"] == "tooLarge"


async def test_each_client_has_its_own_rate() -> None:
    async with guarded(rate=2, burst=3) as server:
        assert [(await server.request(X_API_Key=KEY))[0] for _ in range(4)] == [200, 200, 200, 429]
        found = await server.request(X_API_Key=KEY)
        assert (found[1]["Retry-After"], found[2]["code"]) == ("1", "rateLimited")
        assert [(await server.request(X_API_Key=SMALL_KEY))[0] for _ in range(3)] == [200, 200, 429]
        server.now += 0.5
        assert [(await server.request(X_API_Key=KEY))[0] for _ in range(2)] == [200, 429]
        assert server.audited == []


async def test_guessing_is_bounded_per_address_and_ends_for_others_by_their_own_address() -> None:
    async with guarded(failures=3, proxies="127.0.0.1") as server:
        with capture_logs() as logs:
            guesses = [(await server.request(X_API_Key="x" * 40, X_Forwarded_For="1.1.1.1")) for _ in range(20)]
        assert [status for status, _, _ in guesses] == [401] * 3 + [429] * 17
        assert guesses[-1][1]["Retry-After"] == "20"
        assert len(logs) == 3
        assert (await server.request(X_API_Key=KEY, X_Forwarded_For="1.1.1.1"))[0] == 429
        assert (await server.request(X_API_Key=KEY, X_Forwarded_For="2.2.2.2"))[0] == 200
        server.now += 20
        assert (await server.request(X_API_Key=KEY, X_Forwarded_For="1.1.1.1"))[0] == 200


async def test_guesses_from_one_ipv6_network_count_together() -> None:
    async with guarded(failures=2, proxies="127.0.0.1") as server:
        addresses = [f"2001:db8::{number}" for number in range(1, 4)]
        found = [(await server.request(X_API_Key="x", X_Forwarded_For=address))[0] for address in addresses]
        assert found == [401, 401, 429]


async def test_what_is_open_to_everybody_is_limited_per_address() -> None:
    async with guarded(rate=1, burst=2) as server:
        assert [(await server.request(path="/openapi.json"))[0] for _ in range(3)] == [200, 200, 429]
        assert (await server.request(X_API_Key=KEY))[0] == 200


async def test_what_a_proxy_is_told_by_an_untrusted_client_is_not_believed() -> None:
    async with guarded(failures=2) as server:
        for number in range(2):
            assert (await server.request(X_API_Key="x", X_Forwarded_For=f"1.1.1.{number}"))[0] == 401
        assert (await server.request(X_API_Key="x", X_Forwarded_For="9.9.9.9"))[0] == 429


@pytest.mark.parametrize(
    ("path", "status", "outcome"), [("7", 200, "accepted"), ("refused", 409, "refused"), ("boom", 500, "failed")]
)
async def test_a_change_is_audited_with_its_outcome(path: str, status: int, outcome: str) -> None:
    async with guarded() as server:
        found = await server.request(
            "POST", path=f"/runs/{path}?secret=1", X_API_Key=KEY, X_Correlation_Id="order-4711"
        )
        assert found[0] == status
        (entry,) = server.audited
        assert (entry.method, entry.path, entry.status, entry.outcome) == ("POST", f"/runs/{path}", status, outcome)
        assert (entry.client.principal.name, entry.client.principal.tenant) == ("key:ordering", "acme")
        assert (entry.address, entry.correlation_id) == ("127.0.0.1", "order-4711")
        assert entry.run == ("run-7" if status == 200 else "")
        assert server.counted == [("key:ordering", outcome)]


async def test_a_correlation_id_that_could_forge_a_line_is_replaced() -> None:
    async with guarded() as server:
        await server.request("POST", X_API_Key=KEY, X_Correlation_Id="a b\tc")
        assert server.audited[0].correlation_id == "new-id"


async def test_no_secret_is_logged() -> None:
    async with guarded(failures=100) as server:
        token = issuer_key("unknown").sign(claims())
        with capture_logs() as logs:
            await server.request("POST", X_API_Key=KEY)
            await server.request("POST", X_API_Key="wrong-" + KEY)
            await server.request("POST", Authorization=f"Bearer {token}")
            audit = AuditLog()
            for entry in server.audited:
                audit.write(entry)
        written = str(logs)
        assert KEY not in written
        assert token not in written
        assert token.rpartition(".")[2] not in written
        (line,) = [entry for entry in logs if entry.get("logger") == "southbound.audit"]
        assert [line[name] for name in ("client", "tenant", "run", "status")] == ["key:ordering", "acme", "run-7", 200]


async def test_an_open_path_needs_no_credentials_and_an_unknown_one_does() -> None:
    async with guarded() as server:
        assert (await server.request(path="/openapi.json"))[0] == 200
        assert (await server.request(path="/unknown"))[0] == 401
        assert (await server.request(path="/unknown", X_API_Key=KEY))[0] == 404


async def test_tokens_cannot_be_checked_while_the_issuer_was_never_reached() -> None:
    async with guarded(failures=1) as server:
        server.provider.status = 500
        for _ in range(3):  # it is not the client's fault, so it is not blocked
            found = await server.request(Authorization=f"Bearer {issuer_key().sign(claims())}")
            assert (found[0], found[2]["code"]) == (503, "identityUnavailable")
        assert (await server.request(X_API_Key=KEY))[0] == 200


async def test_a_local_client_is_not_limited_by_rate() -> None:
    async with guarded(LocalAuthenticator(), rate=1, burst=1) as server:
        assert [(await server.request("POST"))[0] for _ in range(3)] == [200] * 3
        assert (await server.request("POST", Origin="http://evil.example"))[2]["code"] == "notLocal"
        assert server.audited[0].client.principal.name == "local"
