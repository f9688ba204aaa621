"""Authenticate callbacks: one check per external system."""

from __future__ import annotations

import time
from base64 import b64encode
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import TYPE_CHECKING, assert_never

from consumers.inbound.authentication.client_certificate import certificate_authenticator
from consumers.inbound.authentication.reread import RereadingAuthenticator
from consumers.inbound.authentication.signature import signature_authenticator, signature_headers
from consumers.spokes.credentials import BasicAuth, CallbackToken, NoAuth, fetch_secret
from consumers.spokes.security.callback_credentials import CallbackCertificate, CallbackSignature
from consumers.spokes.security.secret_source import SecretSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from multidict import MultiMapping

    from consumers.inbound.authentication.port import CallbackAuthenticator
    from consumers.spokes.security.callback_credentials import CallbackAuth


@dataclass(frozen=True, slots=True)
class AllowAnyone:
    """Accepts every request: only for a listener that nobody else can reach."""

    def accepts(self, headers: MultiMapping[str], peer: str = "") -> bool:  # noqa: ARG002 - the port passes them
        """Return True."""
        return True

    def accepts_body(self, headers: MultiMapping[str], body: bytes) -> bool:  # noqa: ARG002 - the port passes them
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

    def accepts(self, headers: MultiMapping[str], peer: str = "") -> bool:  # noqa: ARG002 - the port passes it
        """Compare in constant time."""
        given = headers.get(self.header, "")
        return _equal(
            _secret_after_scheme("bearer", given) if self.header.lower() == "authorization" else given, self.token
        )

    def accepts_body(self, headers: MultiMapping[str], body: bytes) -> bool:  # noqa: ARG002 - the port passes them
        """Return True."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuthenticator:
    """Accepts requests with a user name and password (RFC 7617)."""

    user: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.password:
            raise ValueError(f"the password of {self.user!r} that callbacks must carry is empty: set one")

    def accepts(self, headers: MultiMapping[str], peer: str = "") -> bool:  # noqa: ARG002 - the port passes it
        """Compare in constant time."""
        expected = _basic_credentials(self.user, self.password)
        return _equal(_secret_after_scheme("basic", headers.get("Authorization", "")), expected)

    def accepts_body(self, headers: MultiMapping[str], body: bytes) -> bool:  # noqa: ARG002 - the port passes them
        """Return True."""
        return True


def authenticator_for(
    auth: CallbackAuth, environment: Mapping[str, str], clock: Callable[[], float] = time.time
) -> CallbackAuthenticator:
    """Return the check that a profile asks for. A secret in a file is read again when the file has changed.

    Raises:
        SecretMissingError: a secret is not where the profile says.
    """
    match auth:
        case NoAuth():
            return AllowAnyone()
        case BasicAuth():
            return _with_secret(
                auth.password, environment, lambda secret: BasicAuthenticator(user=auth.username, password=secret)
            )
        case CallbackToken():
            return _with_secret(
                auth.token, environment, lambda secret: TokenAuthenticator(token=secret, header=auth.header)
            )
        case CallbackSignature():
            return _with_secret(auth.secret, environment, lambda secret: signature_authenticator(auth, secret, clock))
        case CallbackCertificate():
            return certificate_authenticator(auth)
        case _:
            assert_never(auth)


def _with_secret(
    reference: str, environment: Mapping[str, str], build: Callable[[str], CallbackAuthenticator]
) -> CallbackAuthenticator:
    source = SecretSource(reference, environment)
    if not reference.startswith("file:"):
        return build(source.current().get_secret_value())
    return RereadingAuthenticator(source, build)


def headers_for(
    auth: CallbackAuth, environment: Mapping[str, str], body: bytes = b"", clock: Callable[[], float] = time.time
) -> Mapping[str, str]:
    """Return the headers with which a callback with this body passes the check that a profile asks for.

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
        case CallbackSignature():
            secret = fetch_secret(auth.secret, environment).get_secret_value()
            return signature_headers(auth, secret, clock(), body)
        case CallbackCertificate():  # as the proxy would send it
            return {auth.header: (*auth.subjects, *auth.fingerprints)[0]}
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
