"""Access tokens are shared by concurrent calls, renewed before they end, and renewed once where they are refused."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from consumers.spokes.authentication import authentication_for
from consumers.spokes.credentials import Auth
from consumers.spokes.port import do_nothing
from consumers.spokes.transport import HttpRequest
from router.responses import HttpResponse, NoResponse
from tests.builders.spokes import a_profile

if TYPE_CHECKING:
    from consumers.spokes.authentication import Authentication
    from consumers.spokes.port import BeforeCall

TOKEN_URL = "https://login.example/oauth2/token"  # noqa: S105 - an address
SECRET = "s3cr3t:+&%"  # noqa: S105 - a test value
REQUEST = HttpRequest(method="POST", url="https://lab.example/v4/serviceTest", body=b"{}")
UNAUTHORIZED, OK = HttpResponse(status=401), HttpResponse(status=201)


@dataclass
class TokenEndpoint:
    """Answers with the next token, after the others had their turn."""

    lifetime: float | None = 3600.0
    response: HttpResponse | NoResponse | None = None
    requests: list[HttpRequest] = field(default_factory=list)

    async def send(self, request: HttpRequest, before: BeforeCall = do_nothing) -> HttpResponse | NoResponse:
        await before()
        self.requests.append(request)
        await asyncio.sleep(0)
        if self.response is not None:
            return self.response
        body: dict[str, Any] = {"access_token": f"token-{len(self.requests)}", "token_type": "bearer"}
        body |= {} if self.lifetime is None else {"expires_in": self.lifetime}
        return HttpResponse(status=200, body=json.dumps(body).encode())

    async def close(self) -> None:
        pass


@dataclass
class System:
    """A system that refuses some tokens."""

    refused: set[str] = field(default_factory=set)
    tokens: list[str] = field(default_factory=list)

    async def send(self, request: HttpRequest) -> HttpResponse | NoResponse:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.tokens.append(token)
        await asyncio.sleep(0)
        return UNAUTHORIZED if token in self.refused else OK


class Clock:
    """A clock that a test sets, in seconds."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Setting:
    """A system with a token endpoint, and the credentials that use it."""

    endpoint: TokenEndpoint
    system: System
    clock: Clock
    credentials: Authentication

    async def call(self) -> HttpResponse | NoResponse:
        return await self.credentials.send(REQUEST, self.system.send)


def parsed(**fields: Any) -> Auth:  # noqa: ANN401 - the fields of the credentials
    found: Auth = TypeAdapter(Auth).validate_python(
        {"kind": "oauth2", "token_url": TOKEN_URL, "client_id": "gate way", "client_secret": "env:SECRET"} | fields
    )
    return found


def a_setting(endpoint: TokenEndpoint | None = None, **fields: Any) -> Setting:  # noqa: ANN401 - as above
    endpoint, clock = endpoint or TokenEndpoint(), Clock()
    credentials = authentication_for(parsed(**fields), {"SECRET": SECRET}, lambda _: endpoint, clock)
    return Setting(endpoint, System(), clock, credentials)


async def test_concurrent_calls_share_one_token() -> None:
    here = a_setting()
    assert await asyncio.gather(*(here.call() for _ in range(50))) == [OK] * 50
    assert (len(here.endpoint.requests), set(here.system.tokens)) == (1, {"token-1"})


@pytest.mark.parametrize(
    ("lifetime", "used_until"), [(3600.0, 3570.0), (100.0, 90.0), (None, 270.0)], ids=["long", "short", "not said"]
)
async def test_a_token_is_renewed_before_it_ends(lifetime: float | None, used_until: float) -> None:
    here = a_setting(TokenEndpoint(lifetime=lifetime))
    for after in (0.0, used_until - 1, used_until):
        here.clock.now = 1000.0 + after
        await here.call()
    assert here.system.tokens == ["token-1", "token-1", "token-2"]


async def test_a_refused_token_is_renewed_once_for_all_calls() -> None:
    here = a_setting()
    await here.call()
    here.clock.now += 60
    here.system.refused = {"token-1"}
    assert await asyncio.gather(*(here.call() for _ in range(20))) == [OK] * 20
    assert len(here.endpoint.requests) == 2


async def test_a_token_that_is_refused_at_once_is_renewed_once_for_all_calls() -> None:
    here = a_setting()
    here.system.refused = {"token-1"}
    assert await asyncio.gather(*(here.call() for _ in range(20))) == [OK] * 20
    assert len(here.endpoint.requests) == 2


async def test_a_token_that_is_refused_at_once_is_not_renewed_for_ever() -> None:
    here = a_setting()
    here.system.refused = {f"token-{number}" for number in range(100)}
    assert [await here.call() for _ in range(10)] == [UNAUTHORIZED] * 10
    assert here.system.tokens == ["token-1", *["token-2"] * 10]
    assert len(here.endpoint.requests) == 2
    here.clock.now += 60
    assert await here.call() == UNAUTHORIZED
    assert here.system.tokens[-2:] == ["token-2", "token-3"]


@pytest.mark.parametrize("field", ['"expires_in": null', '"expires_in": ""', '"token_type": null', '"token_type": ""'])
async def test_a_field_of_a_token_without_a_value_counts_as_absent(field: str) -> None:
    body = f'{{"access_token": "token-1", {field}}}'.encode()
    here = a_setting(TokenEndpoint(response=HttpResponse(status=200, body=body)))
    for after, requests in ((0.0, 1), (269.0, 1), (270.0, 2)):
        here.clock.now = 1000.0 + after
        assert await here.call() == OK
        assert len(here.endpoint.requests) == requests


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (
            HttpResponse(status=400, body=b'{"error": "invalid_client", "error_description": "x"}'),
            "400 (invalid_client)",
        ),
        (HttpResponse(status=503, body=b"<html>"), "it answered 503"),
        (HttpResponse(status=200, body=b"{}"), "its answer has no access_token"),
        (HttpResponse(status=200, body=b'{"access_token": "a", "token_type": "mac"}'), "is of type 'mac', not Bearer"),
        (HttpResponse(status=200, body=b'{"access_token": "a\\r\\nX: y"}'), "its token cannot stand in a header"),
        (NoResponse(perhaps_sent=True, cause="login.example:443 was silent for too long"), "was silent for too long"),
    ],
)
async def test_without_a_token_nothing_is_sent_and_the_cause_is_named(
    response: HttpResponse | NoResponse, why: str
) -> None:
    here = a_setting(TokenEndpoint(response=response))
    answers = await asyncio.gather(*(here.call() for _ in range(20)))
    assert {type(answer) for answer in answers} == {NoResponse}
    first = answers[0]
    assert isinstance(first, NoResponse)
    assert not first.perhaps_sent
    assert TOKEN_URL in first.cause
    assert why in first.cause
    assert SECRET not in first.cause
    assert (here.system.tokens, len(here.endpoint.requests)) == ([], 1)
    here.endpoint.response, here.clock.now = None, here.clock.now + 1.5
    assert await here.call() == OK


@pytest.mark.parametrize("how", ["basic", "body"])
async def test_the_client_authenticates_as_the_standard_says(how: str) -> None:
    here = a_setting(client_authentication=how, scope=["test.write", "test.read"], audience="https://lab.example")
    await here.call()
    (request,) = here.endpoint.requests
    form = {name: values[0] for name, values in parse_qs((request.body or b"").decode()).items()}
    assert (request.url, form["grant_type"], form["scope"], form["audience"]) == (
        TOKEN_URL,
        "client_credentials",
        "test.write test.read",
        "https://lab.example",
    )
    if how == "body":
        assert (form["client_id"], form["client_secret"]) == ("gate way", SECRET)
        assert "Authorization" not in request.headers
    else:
        pair = b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        assert [unquote_plus(part) for part in pair.split(":")] == ["gate way", SECRET]
        assert "client_secret" not in form


async def test_a_call_that_is_cancelled_while_it_waits_for_a_token_harms_no_other() -> None:
    here = a_setting()
    first, second = asyncio.create_task(here.call()), asyncio.create_task(here.call())
    await asyncio.sleep(0)
    first.cancel()
    assert await second == OK


async def test_neither_secret_nor_token_is_printed() -> None:
    here = a_setting()
    await here.call()
    printed = f"{here.credentials!r} {here.endpoint.requests!r} {a_profile(auth=parsed())!r}"
    assert SECRET not in printed
    assert "token-1" not in printed


@pytest.mark.parametrize(
    "url", ["http://login.example/token", "login.example", "https://u:p@login.example/", "https://"]
)
def test_a_secret_is_sent_to_a_protected_address_only(url: str) -> None:
    with pytest.raises(ValidationError, match=r"must (begin with https://|be a whole address)"):
        parsed(token_url=url)


@given(body=st.binary(max_size=200) | st.text(max_size=50).map(lambda text: f'{{"access_token": "{text}"}}'.encode()))
def test_any_answer_of_a_token_endpoint_is_a_token_or_a_sentence(body: bytes) -> None:
    here = a_setting(TokenEndpoint(response=HttpResponse(status=200, body=body)))
    answer = asyncio.run(here.call())
    assert answer == OK or (isinstance(answer, NoResponse) and answer.cause.isprintable())
