"""Secrets are read from where the profile says, sent, and never shown."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from pydantic import TypeAdapter

from consumers.spokes.authentication import authentication_for
from consumers.spokes.credentials import Auth, SecretMissingError, fetch_secret
from consumers.spokes.http_client import SpokeClient
from consumers.spokes.transport import HttpRequest
from router.responses import HttpResponse
from tests.builders.spokes import a_profile
from tests.fakes.transport import FakeTransport

if TYPE_CHECKING:
    from pathlib import Path

    from consumers.spokes.authentication import Authentication

PASSWORD = "hünter2"  # noqa: S105 - a test value
ENVIRONMENT = {"LAB": PASSWORD, "TOKEN": "t0ken", "MULTI": "a\nb", "EMPTY": ""}
KINDS = [
    {"kind": "basic", "username": "gateway", "password": "env:LAB"},
    {"kind": "bearer", "token": "env:TOKEN"},
    {"kind": "api_key", "header": "X-Key", "key": "env:TOKEN"},
    {"kind": "api_key_query", "key": "env:LAB"},
]


def credentials_from(auth: dict[str, str]) -> Authentication:
    parsed: Auth = TypeAdapter(Auth).validate_python(auth)
    return authentication_for(parsed, ENVIRONMENT, lambda _: FakeTransport())


async def authenticated_request(auth: dict[str, str]) -> HttpRequest:
    system = FakeTransport([HttpResponse(status=401)])
    request = HttpRequest(method="GET", url="http://a?x=1", headers={"Accept": "x"})
    await credentials_from(auth).send(request, system.send)
    (sent,) = system.requests
    return sent


async def test_each_kind_of_authentication_sets_its_own_header() -> None:
    basic, bearer, key, in_query = [await authenticated_request(kind) for kind in KINDS]
    encoded = basic.headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(encoded).decode() == f"gateway:{PASSWORD}"
    assert bearer.headers == {"Accept": "x", "Authorization": "Bearer t0ken"}
    assert key.headers == {"Accept": "x", "X-Key": "t0ken"}
    assert (in_query.headers, in_query.url) == ({"Accept": "x"}, "http://a?x=1&apikey=h%C3%BCnter2")
    assert (await authenticated_request({"kind": "none"})).headers == {"Accept": "x"}


@pytest.mark.parametrize("auth", KINDS)
async def test_no_secret_is_ever_printed(auth: dict[str, str]) -> None:
    request = await authenticated_request(auth)
    printed = f"{credentials_from(auth)!r} {credentials_from(auth)} {request!r} {request} {a_profile(auth=auth)!r}"
    for secret in (PASSWORD, "h%C3%BCnter2", "t0ken", request.headers.get("Authorization", "t0ken")):
        assert secret not in printed


@pytest.mark.parametrize("reference", ["env:LAB", "file:{path}"])
def test_a_secret_is_fetched_from_environment_or_file(reference: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(PASSWORD + "\n", encoding="utf-8")
    assert fetch_secret(reference.format(path=path), ENVIRONMENT).get_secret_value() == PASSWORD


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("env:NOWHERE", "no secret at env:NOWHERE: set the environment variable NOWHERE"),
        ("env:EMPTY", "no secret at env:EMPTY"),
        ("file:/nowhere/secret", "no secret at file:/nowhere/secret: write it to that file"),
        ("file:/", "no secret at file:/"),
    ],
)
def test_a_missing_secret_is_named_by_its_reference(reference: str, sentence: str) -> None:
    with pytest.raises(SecretMissingError, match=sentence):
        fetch_secret(reference, ENVIRONMENT)


async def test_a_secret_in_a_file_is_read_again_when_the_file_changes(tmp_path: Path) -> None:
    path, system = tmp_path / "token", FakeTransport([HttpResponse(status=200)])
    path.write_text("first\n", encoding="utf-8")
    credentials = credentials_from({"kind": "bearer", "token": f"file:{path}"})
    request = HttpRequest(method="GET", url="http://a")
    await credentials.send(request, system.send)
    path.unlink()  # while it is being replaced, the last one is used
    await credentials.send(request, system.send)
    path.write_text("the second\n", encoding="utf-8")
    await credentials.send(request, system.send)
    sent = [request.headers["Authorization"] for request in system.requests]
    assert sent == ["Bearer first", "Bearer first", "Bearer the second"]


def test_a_secret_of_two_lines_cannot_inject_a_header() -> None:
    with pytest.raises(SecretMissingError, match="env:MULTI cannot stand in a header") as error:
        credentials_from({"kind": "bearer", "token": "env:MULTI"})
    assert "a\nb" not in str(error.value)


def test_all_missing_secrets_are_reported_at_once() -> None:
    profiles = [
        a_profile(name=name, auth={"kind": "bearer", "token": f"env:{name.upper()}"}) for name in ("one", "two")
    ]
    with pytest.raises(SecretMissingError) as error:
        SpokeClient(profiles, ENVIRONMENT, lambda _: FakeTransport())
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == [
        "spoke 'one', field 'auth'",
        "spoke 'two', field 'auth'",
    ]
