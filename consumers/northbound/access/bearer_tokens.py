"""Authenticate clients by OAuth2 access tokens in the form of JSON Web Tokens (RFC 6750, RFC 9068)."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from consumers.northbound.access.authenticator import AuthenticatedClient
from consumers.northbound.access.refusals import REALM, AccessRefusedError, invalid_token, retry_after
from consumers.northbound.tokens.claims import InvalidClaimsError, expires_at, principal_from
from consumers.northbound.tokens.jwks_cache import KeysUnavailableError
from consumers.northbound.tokens.signature import InvalidSignatureError, InvalidTokenFormError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.northbound.tokens.claims import ClaimRules
    from consumers.northbound.tokens.jwks_cache import JwksCache
    from consumers.northbound.tokens.signature import SignatureVerifier, TokenHead

_SCHEME = "bearer "
_REMEMBERED_TOKENS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verified:
    client: AuthenticatedClient
    expires_at: float
    keys_number: int


class BearerAuthenticator:
    """Accepts `Authorization: Bearer …` with a token that a key of the issuer has signed.

    A verified token is remembered until it expires or the keys are fetched again, so that a client's next requests
    cost no signature. Only a digest of it is kept, made with a secret of this process.
    """

    def __init__(
        self, *, verifier: SignatureVerifier, keys: JwksCache, rules: ClaimRules, clock: Callable[[], float]
    ) -> None:
        self._verifier = verifier
        self._keys = keys
        self._rules = rules
        self._clock = clock  # seconds since 1970
        self._secret = secrets.token_bytes(32)
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    @property
    def challenge(self) -> str:
        """The challenge that asks for a token."""
        return f"Bearer {REALM}"

    async def authenticate(self, headers: Mapping[str, str]) -> AuthenticatedClient | None:
        """Return the client of a valid token, or None if the request has no `Authorization` header.

        Raises:
            AccessRefusedError: the token is not valid, or the keys of the issuer are unavailable.
        """
        written = headers.get("Authorization")
        if written is None:
            return None
        if not written.lower().startswith(_SCHEME):
            sentence = "the Authorization header has another scheme than Bearer"
            raise AccessRefusedError(401, "unauthenticated", sentence, {"WWW-Authenticate": self.challenge})
        try:
            return await self._client_of(written[len(_SCHEME) :].strip(" "))
        except (InvalidTokenFormError, InvalidSignatureError, InvalidClaimsError) as error:
            raise invalid_token(str(error)) from None
        except KeysUnavailableError as error:
            headers_of_refusal = retry_after(error.retry_after)
            raise AccessRefusedError(503, "identityUnavailable", str(error), headers_of_refusal) from None

    async def _client_of(self, token: str) -> AuthenticatedClient:
        digest = blake2b(token.encode(errors="surrogatepass"), key=self._secret, digest_size=32).digest()
        if digest in self._verified and (client := self._remembered(digest, (await self._keys.current()).number)):
            return client
        claims, number = await self._verify(token, self._verifier.read_head(token))
        client = AuthenticatedClient(principal=principal_from(claims, self._rules, self._clock()), credential="token")
        self._remember(digest, _Verified(client=client, expires_at=expires_at(claims), keys_number=number))
        return client

    async def _verify(self, token: str, head: TokenHead) -> tuple[Mapping[str, object], int]:
        held = await self._keys.current()
        if not held.keys.candidates(head.algorithm, head.key_id):
            held = await self._keys.newer_than(held)  # perhaps the issuer has a new key
        return self._verifier.verify(token, head, held.keys), held.number

    def _remembered(self, digest: bytes, keys_number: int) -> AuthenticatedClient | None:
        found = self._verified.get(digest)
        if found is None:
            return None
        if found.keys_number != keys_number or found.expires_at + self._rules.leeway <= self._clock():
            del self._verified[digest]
            return None
        self._verified.move_to_end(digest)
        return found.client

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        self._verified[digest] = verified
        if len(self._verified) > _REMEMBERED_TOKENS:
            self._verified.popitem(last=False)
