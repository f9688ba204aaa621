"""Authenticate clients by API keys, which are known by their digests only."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Protocol

from consumers.northbound.access.refusals import AccessRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from consumers.northbound.access.authenticator import AuthenticatedClient

MIN_KEY_LENGTH = 32  # characters; a generated key has 43 after its prefix, which are 256 bits
MAX_KEY_LENGTH = 512
_GENERATED_PREFIX = "sbk_"  # so that scanners for secrets can recognise a key


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """The SHA-256 digest of a key, and the client that has it.

    A key is long and random, so its digest needs neither salt nor a slow function: it cannot be guessed.
    """

    digest: bytes = field(repr=False)
    client: AuthenticatedClient


def generate_key() -> str:
    """Return a new random key of 256 bits."""
    return _GENERATED_PREFIX + secrets.token_urlsafe(32)


def digest_of(key: str) -> bytes:
    """Return the digest under which a key is known."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


class KeyProvider(Protocol):
    """Provides keys that may change."""

    @property
    def keys(self) -> Sequence[KnownKey]:
        """The keys; the same object as long as they are the same."""

    async def refresh(self) -> None:
        """Take over what has changed."""


class ApiKeyAuthenticator:
    """Accepts requests with a known key in a header: one of `keys`, or of a provider from its first refresh on."""

    def __init__(self, keys: Iterable[KnownKey], header: str, provider: KeyProvider | None = None) -> None:
        self._provider = provider
        self._header = header
        # Looked up by a digest that only this process can compute, so the time of a lookup shows nothing of a key.
        self._secret = secrets.token_bytes(32)
        self._set(tuple(keys))

    @property
    def challenge(self) -> str:
        """The challenge that names the header (no scheme is registered for API keys)."""
        return f'ApiKey realm="southbound", header="{self._header}"'

    async def authenticate(self, headers: Mapping[str, str]) -> AuthenticatedClient | None:
        """Return the client of a key, or None if the request has no key.

        Raises:
            AccessRefusedError: the key is unknown.
        """
        given = headers.get(self._header)
        return None if given is None else await self.authenticate_key(given)

    async def authenticate_key(self, given: str) -> AuthenticatedClient:
        """Return the client of a key.

        Raises:
            AccessRefusedError: the key is unknown.
        """
        if MIN_KEY_LENGTH <= len(given) <= MAX_KEY_LENGTH:
            if self._provider is not None:
                await self._refresh(self._provider)
            digest = digest_of(given)
            known = self._keys.get(self._index(digest))
            if known is not None and compare_digest(known.digest, digest):
                return known.client
        raise self.unknown_key()

    def unknown_key(self) -> AccessRefusedError:
        """Return the refusal of a key."""
        sentence = "the API key is unknown"
        return AccessRefusedError(401, "unauthenticated", sentence, {"WWW-Authenticate": self.challenge})

    async def _refresh(self, provider: KeyProvider) -> None:
        await provider.refresh()
        if provider.keys is not self._known:
            self._set(provider.keys)

    def _set(self, keys: Sequence[KnownKey]) -> None:
        self._known = keys
        self._keys = {self._index(key.digest): key for key in keys}

    def _index(self, digest: bytes) -> bytes:
        return blake2b(digest, key=self._secret, digest_size=32).digest()
