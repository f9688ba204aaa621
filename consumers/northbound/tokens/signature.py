"""Verify the signature of a JSON Web Token (RFC 7515, RFC 8725)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from consumers.northbound.tokens.key_set import MAX_KEY_ID

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from consumers.northbound.tokens.key_set import KeySet

MAX_TOKEN = 8_192  # characters; aiohttp reads no longer header by default
_SEPARATORS = 2
# An access token has one of these or no type; others have another purpose, such as logging out (RFC 8725 §3.11).
_TYPES = {None, "jwt", "at+jwt", "application/at+jwt"}


class InvalidTokenFormError(Exception):
    """The token is not one that we verify; the message repeats nothing of it."""


class InvalidSignatureError(Exception):
    """No key of the issuer has signed the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHead:
    """What the unverified head of a token says about its signature."""

    algorithm: str
    key_id: str | None


class SignatureVerifier:
    """Verifies with the allowed algorithms only; keys come from the issuer's key set, never from the token."""

    def __init__(self, algorithms: Collection[str]) -> None:
        self._algorithms = frozenset(algorithms)
        self._jws = PyJWS(algorithms=sorted(algorithms))

    def read_head(self, token: str) -> TokenHead:
        """Return which key the token names.

        Raises:
            InvalidTokenFormError: it is no token that is accepted, whatever its signature.
        """
        if len(token) > MAX_TOKEN or not token.isascii() or token.count(".") != _SEPARATORS:
            raise InvalidTokenFormError("the token is not a signed JSON Web Token")
        try:
            head = self._jws.get_unverified_header(token)
        except PyJWTError:
            raise InvalidTokenFormError("the token is not a signed JSON Web Token") from None
        return self._checked(head)

    def verify(self, token: str, head: TokenHead, keys: KeySet) -> Mapping[str, object]:
        """Return the claims.

        Raises:
            InvalidSignatureError: none of the keys has signed it.
            InvalidTokenFormError: its claims are not a JSON object.
        """
        for key in keys.candidates(head.algorithm, head.key_id):
            try:
                verified = self._jws.decode_complete(token, key.public, algorithms=[head.algorithm])
            except PyJWTError:
                continue
            return _claims(verified["payload"])
        raise InvalidSignatureError("the token is not signed by a key of the issuer")

    def _checked(self, head: Mapping[str, Any]) -> TokenHead:
        algorithm, key_id, kind = head.get("alg"), head.get("kid"), head.get("typ")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise InvalidTokenFormError("the algorithm of the token is not accepted")
        if not (key_id is None or (isinstance(key_id, str) and len(key_id) <= MAX_KEY_ID)):
            raise InvalidTokenFormError("the key id of the token is not a text of reasonable length")
        if "crit" in head or "b64" in head:
            raise InvalidTokenFormError("the token demands an extension that is not supported")
        if not (kind is None or isinstance(kind, str)) or (kind and kind.lower()) not in _TYPES:
            raise InvalidTokenFormError("the token is not an access token")
        return TokenHead(algorithm=algorithm, key_id=key_id)


def _claims(payload: bytes) -> Mapping[str, object]:
    try:
        claims = orjson.loads(payload)
    except orjson.JSONDecodeError:
        claims = None
    if not isinstance(claims, dict):
        raise InvalidTokenFormError("the claims of the token are not a JSON object")
    return claims
