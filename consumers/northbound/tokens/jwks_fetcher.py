"""Fetch a key set from the identity provider: one bounded GET, which follows no redirect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from consumers.northbound.tokens.jwks_cache import KeysNotFetchedError
from consumers.spokes.bounded_connector import MAX_HEADER_BYTES, BoundedConnector
from consumers.spokes.limits.name_resolver import OwnThreadResolver

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

MAX_KEY_SET_BYTES = 262_144
FETCH_SECONDS = 5.0
_OK = 200


class JwksFetcher:
    """A `KeySetSource` over HTTP. Connections are not kept: a fetch is rare."""

    def __init__(
        self, address: str, *, seconds: float = FETCH_SECONDS, resolver: AbstractResolver | None = None
    ) -> None:
        self._url = URL(address)
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._resolver = resolver or OwnThreadResolver()

    async def fetch(self) -> bytes:
        """Return the document.

        Raises:
            KeysNotFetchedError: there is no response in time, or it is not 200, too large or incomplete.
        """
        try:
            async with (
                aiohttp.ClientSession(
                    connector=BoundedConnector(limit=1, resolver=self._resolver),
                    timeout=self._timeout,
                    max_line_size=MAX_HEADER_BYTES,
                    max_field_size=MAX_HEADER_BYTES,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    trust_env=False,  # neither proxies nor a .netrc of the environment
                ) as session,
                session.get(self._url, headers={"Accept": "application/json"}, allow_redirects=False) as response,
            ):
                return await self._read(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # Without the text of the exception, which may repeat the address.
            raise KeysNotFetchedError(f"{self._where} did not serve them ({type(error).__name__})") from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        if response.status != _OK:
            raise KeysNotFetchedError(f"{self._where} responded with status {response.status}")
        document = bytearray()
        async for piece in response.content.iter_any():
            document += piece
            if len(document) > MAX_KEY_SET_BYTES:
                raise KeysNotFetchedError(f"{self._where} serves more than {MAX_KEY_SET_BYTES} bytes")
        return bytes(document)

    @property
    def _where(self) -> str:
        return f"{self._url.host}:{self._url.port}"
