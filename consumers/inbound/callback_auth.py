"""Authenticate callbacks: one check per external system."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import TYPE_CHECKING, Protocol, assert_never

from consumers.spokes.credentials import BasicAuth, CallbackToken, NoAuth, fetch_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.spokes.credentials import CallbackAuth


class CallbackAuthenticator(Protocol):
    """Checks the headers of a request; names are in any case."""

    def accepts(self, headers: Mapping[str, str]) -> bool:
        """Return whether the request is authentic."""


@dataclass(frozen=True, slots=True)
class AllowAnyone:
    """Accepts every request: only for a listener that nobody else can reach."""

    def accepts(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 - the port passes them
        """Return True."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAuthenticator:
    """Accepts requests with a token: as `Authorization: Bearer …` or alone in another header."""

    token: str = field(repr=False)
    header: str = "Authorization"

    def __post_init__(self) -> None:
        if not self.token:
            raise ValueError("the token that callbacks must carry is empty: set one")

    def accepts(self, headers: Mapping[str, str]) -> bool:
        """Compare in constant time."""
        given = headers.get(self.header, "")
        return _equal(
            _secret_after_scheme("bearer", given) if self.header.lower() == "authorization" else given, self.token
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuthenticator:
    """Accepts requests with a user name and password (RFC 7617)."""

    user: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.password:
            raise ValueError(f"the password of {self.user!r} that callbacks must carry is empty: set one")

    def accepts(self, headers: Mapping[str, str]) -> bool:
        """Compare in constant time."""
        expected = _basic_credentials(self.user, self.password)
        return _equal(_secret_after_scheme("basic", headers.get("Authorization", "")), expected)


def authenticator_for(auth: CallbackAuth, environment: Mapping[str, str]) -> CallbackAuthenticator:
    """Return the check that a profile asks for.

    Raises:
        SecretMissingError: a secret is not where the profile says.
    """
    match auth:
        case NoAuth():
            return AllowAnyone()
        case BasicAuth():
            password = fetch_secret(auth.password, environment).get_secret_value()
            return BasicAuthenticator(user=auth.username, password=password)
        case CallbackToken():
            token = fetch_secret(auth.token, environment).get_secret_value()
            return TokenAuthenticator(token=token, header=auth.header)
        case _:
            assert_never(auth)


def headers_for(auth: CallbackAuth, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers with which a callback passes the check that a profile asks for.

    Raises:
        SecretMissingError: a secret is not where the profile says.
    """
    match auth:
        case NoAuth():
            return {}
        case BasicAuth():
            password = fetch_secret(auth.password, environment).get_secret_value()
            return {"Authorization": f"Basic {_basic_credentials(auth.username, password)}"}
        case CallbackToken():
            token = fetch_secret(auth.token, environment).get_secret_value()
            return {auth.header: f"Bearer {token}" if auth.header.lower() == "authorization" else token}
        case _:
            assert_never(auth)


def _basic_credentials(user: str, password: str) -> str:
    return b64encode(f"{user}:{password}".encode()).decode()


def _secret_after_scheme(scheme: str, value: str) -> str:
    # The scheme may be written in any case (RFC 9110 §11.1), the secret after it may not.
    given, _, secret = value.partition(" ")
    return secret.strip() if given.lower() == scheme else ""


def _equal(given: str, expected: str) -> bool:
    return compare_digest(given.encode(errors="surrogateescape"), expected.encode())
