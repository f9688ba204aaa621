"""API keys are known by their digests; a file says which client has which, and all of its mistakes are reported."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from consumers.northbound.access.api_keys import ApiKeyAuthenticator, digest_of, generate_key
from consumers.northbound.access.authenticator import authenticate_by_one
from consumers.northbound.access.key_file import KeyFileError, load_keys
from consumers.northbound.access.key_source import KeySource
from consumers.northbound.access.refusals import AccessRefusedError
from router.northbound.principal import Scope

KEY = "sbk_" + "k" * 40
HOW_TO = Path(__file__).parents[3] / "docs/how-to/secure-the-api.md"


def written(path: Path, text: str) -> Path:
    file = path / "keys.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def mistakes(path: Path, text: str, **environment: str) -> list[str]:
    file = written(path, text)
    with pytest.raises(KeyFileError) as raised:
        load_keys(file, environment)
    return [mistake.removeprefix(f"{file}:") for mistake in raised.value.mistakes]


def file_of(*keys: str, more: str = "") -> str:
    listed = "".join(f"      - '{key}'\n" for key in keys)
    return f"clients:\n  - name: ordering\n    tenant: acme\n    scopes: [read, order]\n    keys:\n{listed}{more}"


async def client_of(authenticator: ApiKeyAuthenticator, key: str) -> str | None:
    client = await authenticator.authenticate(CIMultiDict({"x-api-key": key}))
    return None if client is None else client.principal.name


async def test_every_kind_of_reference_is_a_key(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("f" * 40 + "\n")
    text = file_of(f"sha256:{digest_of(KEY).hex().upper()}", "env:ORDERING", f"file:{tmp_path}/secret")
    keys = load_keys(written(tmp_path, text), {"ORDERING": "e" * 40})
    authenticator = ApiKeyAuthenticator(keys, "X-API-Key")
    assert [await client_of(authenticator, key) for key in (KEY, "e" * 40, "f" * 40)] == ["key:ordering"] * 3
    assert keys[0].client.principal.tenant == "acme"
    assert keys[0].client.principal.scopes == {Scope.READ, Scope.ORDER}


async def test_a_client_may_have_limits_and_the_rows_of_all_tenants(tmp_path: Path) -> None:
    text = file_of("env:K", more="    rate: 5\n    burst: 7\n    max_body_bytes: 1000\n").replace("acme", "'*'")
    (key,) = load_keys(written(tmp_path, text), {"K": KEY})
    assert (key.client.rate, key.client.burst, key.client.max_body_bytes) == (5, 7, 1000)
    assert key.client.principal.tenant is None


@pytest.mark.parametrize("given", ["", "x", KEY[:-1], KEY + "k", KEY.upper(), "é" * 40, "\ud800" * 40, "k" * 10_000])
async def test_an_unknown_key_is_refused_without_repeating_it(given: str, tmp_path: Path) -> None:
    authenticator = ApiKeyAuthenticator(load_keys(written(tmp_path, file_of("env:K")), {"K": KEY}), "X-API-Key")
    with pytest.raises(AccessRefusedError) as raised:
        await client_of(authenticator, given)
    assert raised.value.status == 401
    assert str(raised.value) == "the API key is unknown"
    assert "header" in raised.value.headers["WWW-Authenticate"]


def test_the_file_of_the_how_to_page_is_valid(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n( +clients:.*?)```", HOW_TO.read_text(encoding="utf-8"), flags=re.DOTALL)
    (tmp_path / "key").write_text("f" * 40)
    text = textwrap.dedent(block).replace("/run/secrets/operations-key", str(tmp_path / "key"))
    keys = load_keys(written(tmp_path, text), {"SOUTHBOUND_SECRET_OPERATIONS_KEY": KEY})
    assert [key.client.principal.name for key in keys] == ["key:order-management", *["key:operations"] * 2]
    assert keys[1].client.principal.scopes == {Scope.READ, Scope.CANCEL, Scope.ADMINISTER}


async def test_a_request_without_the_header_has_no_key() -> None:
    assert await ApiKeyAuthenticator((), "X-API-Key").authenticate({"Authorization": "Bearer x"}) is None


def test_the_digest_of_a_key_is_not_a_key(tmp_path: Path) -> None:
    keys = load_keys(written(tmp_path, file_of("env:K")), {"K": KEY})
    assert KEY not in repr(keys)
    assert digest_of(KEY).hex() not in repr(keys)


def test_generated_keys_are_long_and_differ() -> None:
    keys = {generate_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {47}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("    tenant: acme\n", ""), "2: field 'clients.0.tenant': is missing (`tenant: '*'`"),
        (("[read, order]", "[read, write]"), "4: field 'clients.0.scopes.1': must be one of read, order, cancel"),
        (("[read, order]", "[]"), "4: field 'clients.0.scopes': must have at least 1 entry"),
        (("name: ordering", "name: ' '"), "2: field 'clients.0.name': must be printable"),
        (("env:K", KEY), "6: field 'clients.0.keys.0': must be sha256:DIGEST"),
        (("env:K", "sha256:abc"), "6: field 'clients.0.keys.0': must be sha256:DIGEST"),
        (("env:K", "env:NONE"), "6: client 'ordering': there is no secret at env:NONE"),
        (("env:K", "env:SHORT"), "6: client 'ordering': the key at env:SHORT must have 32 to 512"),
        (("scopes", "scope"), "4: field 'clients.0.scope': there is no such field"),
        (("clients:", "client:"), "1: field 'clients': is missing"),
    ],
    ids=lambda change: change[1] if isinstance(change, tuple) else "",
)
def test_a_mistake_has_its_line_and_a_remedy_and_no_secret(
    change: tuple[str, str], sentence: str, tmp_path: Path
) -> None:
    found = mistakes(tmp_path, file_of("env:K").replace(*change), K=KEY, SHORT="short-secret")
    assert any(one.startswith(sentence) for one in found), found
    assert "short-secret" not in str(found)
    assert KEY not in str(found)


def test_one_key_is_not_two_clients(tmp_path: Path) -> None:
    text = file_of("env:A", more=file_of("env:B").removeprefix("clients:\n"))
    found = mistakes(tmp_path, text, A=KEY, B=KEY)
    assert [one.split(": ", 1)[1] for one in found] == [
        "client 'ordering' is described twice: put both keys under one",
        "client 'ordering': this key stands here twice: remove one",
    ]


@pytest.mark.parametrize("text", ["", "[]", "clients: 3", "clients: [", "clients: []", "a: &a [*a]", "- " * 500])
def test_a_file_of_another_form_is_a_mistake(text: str, tmp_path: Path) -> None:
    assert mistakes(tmp_path, text)


@given(st.text(min_size=32, max_size=60))
async def test_only_the_very_key_opens(text: str) -> None:
    known = ApiKeyAuthenticator((), "X-API-Key")
    with pytest.raises(AccessRefusedError):
        await client_of(known, text)


# Changed files


async def accepted(authenticator: ApiKeyAuthenticator, key: str) -> bool:
    try:
        return await client_of(authenticator, key) is not None
    except AccessRefusedError:
        return False


async def test_keys_are_read_again_when_a_file_changes_and_kept_while_it_is_wrong(tmp_path: Path) -> None:
    clock, warnings = [0.0], list[str]()
    first, second, third = KEY, "s" * 40, "t" * 40
    (tmp_path / "secret").write_text(first)
    file = written(tmp_path, file_of(f"file:{tmp_path}/secret"))
    source = KeySource(file, {}, lambda: clock[0], warnings.append)
    authenticator = ApiKeyAuthenticator(source.keys, "X-API-Key", source)

    async def works(*keys: str) -> list[bool]:
        clock[0] += 1
        return [await accepted(authenticator, key) for key in keys]

    assert await works(first, second, third) == [True, False, False]
    (tmp_path / "secret").write_text(second + "\n")
    assert await works(first, second, third) == [False, True, False]
    written(tmp_path, file_of(f"file:{tmp_path}/secret", f"sha256:{digest_of(third).hex()}"))
    assert await works(first, second, third) == [False, True, True]
    written(tmp_path, "clients: [")
    assert await works(first, second, third) == [False, True, True]
    assert len(warnings) == 1
    assert await works(first, second, third) == [False, True, True]
    assert len(warnings) == 1, "a file that is wrong is reported once"
    written(tmp_path, file_of(f"sha256:{digest_of(third).hex()}"))
    assert await works(first, second, third) == [False, False, True]


async def test_files_are_looked_at_once_a_second(tmp_path: Path) -> None:
    file = written(tmp_path, file_of(f"sha256:{digest_of(KEY).hex()}"))
    clock, other = [0.0], "o" * 40
    source = KeySource(file, {}, lambda: clock[0], lambda _: None)
    authenticator = ApiKeyAuthenticator(source.keys, "X-API-Key", source)
    written(tmp_path, file_of(f"sha256:{digest_of(other).hex()}"))
    clock[0] = 0.9
    assert await accepted(authenticator, KEY)
    clock[0] = 1.0
    assert not await accepted(authenticator, KEY)
    assert await accepted(authenticator, other)


async def test_a_header_that_is_not_read_is_named_where_only_keys_are_accepted() -> None:
    authenticator = ApiKeyAuthenticator((), "X-API-Key")
    with pytest.raises(AccessRefusedError, match="Authorization is not accepted") as raised:
        await authenticate_by_one([authenticator], CIMultiDict({"authorization": "Bearer abc"}))
    response = raised.value.response()
    assert (response.status, response.headers["WWW-Authenticate"]) == (401, authenticator.challenge)
    with pytest.raises(AccessRefusedError, match="no credentials"):
        await authenticate_by_one([authenticator], CIMultiDict())
