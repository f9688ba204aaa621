"""Keys are fetched from a real server: bounded in time and size, without following redirects."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from consumers.northbound.tokens.jwks_cache import KeysNotFetchedError
from consumers.northbound.tokens.jwks_fetcher import MAX_KEY_SET_BYTES, JwksFetcher
from tests.builders.tokens import issuer_key, key_set
from tests.fakes.identity_provider import IdentityProvider, identity_provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    async with identity_provider() as started:
        yield started


async def reason(url: str, seconds: float = 60.0) -> str:
    with pytest.raises(KeysNotFetchedError) as raised:
        await JwksFetcher(url, seconds=seconds).fetch()
    return str(raised.value)


async def test_the_document_is_returned(provider: IdentityProvider) -> None:
    provider.document = key_set(issuer_key())
    assert await JwksFetcher(provider.url).fetch() == provider.document


@pytest.mark.parametrize("status", [204, 301, 302, 307, 308, 401, 404, 429, 500, 503])
async def test_a_redirect_or_an_error_is_no_key_set(status: int, provider: IdentityProvider) -> None:
    provider.status, provider.headers = status, {"Location": provider.url + "/other"}
    assert f"status {status}" in await reason(provider.url)
    assert provider.requests == 1


async def test_a_large_document_is_not_read_to_its_end(provider: IdentityProvider) -> None:
    provider.document = b" " * (MAX_KEY_SET_BYTES + 1)
    assert "more than" in await reason(provider.url)


async def test_a_small_document_that_unpacks_to_a_large_one_is_refused(provider: IdentityProvider) -> None:
    provider.document = gzip.compress(b" " * 5_000_000)
    provider.headers = {"Content-Encoding": "gzip"}
    assert "more than" in await reason(provider.url)


async def test_a_server_that_does_not_answer_is_given_up(provider: IdentityProvider) -> None:
    provider.released.clear()
    assert "TimeoutError" in await reason(provider.url, seconds=0.2)
    provider.released.set()


async def test_a_server_that_is_not_there_is_named() -> None:
    assert await reason("http://127.0.0.1:1/keys?secret=x") == "127.0.0.1:1 did not serve them (ClientConnectorError)"
