"""A system that repeats our credentials in an answer does not bring them into logs, events and dead letters."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import pytest

from consumers.spokes.http_client import SpokeClient
from consumers.spokes.port import Call
from router.responses import HttpResponse, Purpose, reasons_in
from tests.builders.spokes import a_profile
from tests.fakes.transport import FakeTransport

if TYPE_CHECKING:
    from collections.abc import Callable

ENVIRONMENT = {"TOKEN": "s3cr3t/of+24=characters!"}
SECRET = ENVIRONMENT["TOKEN"]
BASIC = b64encode(f"us:{SECRET}".encode()).decode()
KINDS = {
    "bearer": {"kind": "bearer", "token": "env:TOKEN"},
    "api key": {"kind": "api_key", "header": "X-Key", "key": "env:TOKEN"},
    "in the query": {"kind": "api_key_query", "parameter": "apikey", "key": "env:TOKEN"},
    "basic": {"kind": "basic", "username": "us", "password": "env:TOKEN"},
}
GET = Call(purpose=Purpose.READ, method="GET", path="/serviceTest/1", query=(("fields", "id"),))


async def answered(kind: str, response: HttpResponse) -> HttpResponse:
    client = SpokeClient([a_profile(auth=KINDS[kind])], ENVIRONMENT, lambda _: FakeTransport([response]))
    answer = await client.call("fibre-lab", GET)
    assert isinstance(answer, HttpResponse)
    return answer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [200, 401, 403, 422, 500])
async def test_fault_a_secret_that_a_system_repeats_is_masked(kind: str, status: int) -> None:
    escaped = SECRET.replace("/", "\\/")
    body = f'{{"code": "e", "reason": "{SECRET} or {escaped} is not valid ({BASIC if kind == "basic" else ""})"}}'
    answer = await answered(kind, HttpResponse(status=status, body=body.encode()))
    (reason,) = reasons_in(answer)
    assert SECRET not in reason.message
    assert "***" in reason.message
    assert kind != "basic" or BASIC not in reason.message


async def test_fault_an_address_with_a_key_that_a_system_repeats_is_masked() -> None:
    page = b"<html>Not found: /serviceTest/1?fields=id&apikey=s3cr3t%2Fof%2B24%3Dcharacters%21</html>"
    answer = await answered("in the query", HttpResponse(status=404, body=page))
    assert answer.body == b"<html>Not found: /serviceTest/1?fields=id&apikey=***</html>"


@pytest.mark.parametrize("escaped", [json.dumps, escape, partial(escape, quote=False)])
@pytest.mark.parametrize("kind", ["api key", "basic", "in the query"])
async def test_a_secret_that_a_system_repeats_in_escapes_is_masked(kind: str, escaped: Callable[[str], str]) -> None:
    given = 'a"<b>&\\1234567890'
    response = HttpResponse(status=401, body=f"not valid: {escaped(given)}".encode())
    client = SpokeClient([a_profile(auth=KINDS[kind])], {"TOKEN": given}, lambda _: FakeTransport([response]))
    answer = await client.call("fibre-lab", GET)
    assert isinstance(answer, HttpResponse)
    assert b"1234567890" not in answer.body


async def test_a_secret_of_less_than_six_characters_is_not_looked_for_as_the_page_on_profiles_says() -> None:
    refused = HttpResponse(status=401, body=b'{"reason": "admin is not the administrator"}')
    client = SpokeClient([a_profile(auth=KINDS["api key"])], {"TOKEN": "admin"}, lambda _: FakeTransport([refused]))
    assert await client.call("fibre-lab", GET) is refused


async def test_a_short_secret_that_is_a_word_of_a_run_leaves_the_run_as_it_is() -> None:
    run = HttpResponse(status=200, body=b'{"id": "1", "name": "password", "state": "completed"}')
    profile = a_profile(auth=KINDS["basic"])
    client = SpokeClient([profile], {"TOKEN": "password"}, lambda _: FakeTransport([run]))
    assert await client.call("fibre-lab", GET) is run


async def test_an_answer_that_repeats_nothing_is_not_copied() -> None:
    response = HttpResponse(status=401, body=b'{"code": "401", "reason": "who are you?"}')
    assert await answered("bearer", response) is response
