"""How an external system, or a caller of ours, proves its identity."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from consumers.spokes.security.loopback import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class SecretMissingError(Exception):
    """A secret is not where the profile says; the message names the place, never the secret."""


def _check_reference(text: str) -> str:
    kind, _, location = text.partition(":")
    if kind not in {"env", "file"} or not location:
        # The text is not repeated here: it may be the secret itself.
        raise ValueError("must say where the secret is (env:NAME or file:PATH), never the secret itself")
    return text


SecretReference = Annotated[str, AfterValidator(_check_reference)]


def fetch_secret(reference: str, environment: Mapping[str, str]) -> SecretStr:
    """Read the secret that `reference` points to.

    Raises:
        SecretMissingError: it is not there, or it is empty.
    """
    kind, _, location = reference.partition(":")
    text = environment.get(location, "") if kind == "env" else _read_file(location)
    if not text:
        raise SecretMissingError(f"there is no secret at {reference}: {_remedy(kind, location)}")
    return SecretStr(text)


def _read_file(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError, ValueError):
        return ""


def _remedy(kind: str, location: str) -> str:
    return f"set the environment variable {location}" if kind == "env" else "write it to that file as text"


_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class ProfileModel(BaseModel):
    """A part of a profile: frozen, and an unknown field is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


def _check_header_name(name: str) -> str:
    if not _HEADER.fullmatch(name):
        raise ValueError("must be the name of an HTTP header")
    return name


HeaderName = Annotated[str, AfterValidator(_check_header_name)]


def _check_token_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("must be a whole address such as https://login.example/oauth2/token, without credentials")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https://, because the client secret is sent there")
    return url


class NoAuth(ProfileModel):
    """The system asks for no credentials."""

    kind: Literal["none"] = "none"


class BasicAuth(ProfileModel):
    """User name and password (RFC 7617)."""

    kind: Literal["basic"] = "basic"
    username: str = Field(min_length=1, pattern=r"^[^:]+$")
    password: SecretReference


class BearerAuth(ProfileModel):
    """A token that does not change while we run (RFC 6750)."""

    kind: Literal["bearer"] = "bearer"
    token: SecretReference


class ApiKeyAuth(ProfileModel):
    """A key in a header of the system's choice."""

    kind: Literal["api_key"] = "api_key"
    header: HeaderName = "X-API-Key"
    key: SecretReference


class ApiKeyQueryAuth(ProfileModel):
    """A key in a query parameter of the system's choice."""

    kind: Literal["api_key_query"] = "api_key_query"
    parameter: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,100}$")] = "apikey"
    key: SecretReference


class ClientAuthentication(StrEnum):
    """How the client proves its identity to a token endpoint (RFC 6749 §2.3.1)."""

    BASIC = "basic"
    BODY = "body"


class OAuth2Auth(ProfileModel):
    """An access token by client credentials (RFC 6749 §4.4), renewed before it ends."""

    kind: Literal["oauth2"] = "oauth2"
    token_url: Annotated[str, AfterValidator(_check_token_url)]
    client_id: str = Field(min_length=1, max_length=1000)
    client_secret: SecretReference
    scope: tuple[Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,200}$")], ...] = Field(default=(), max_length=50)
    audience: str = Field(default="", max_length=1000)
    client_authentication: ClientAuthentication = ClientAuthentication.BASIC


Auth = Annotated[
    NoAuth | BasicAuth | BearerAuth | ApiKeyAuth | ApiKeyQueryAuth | OAuth2Auth, Field(discriminator="kind")
]


def secret_fields(auth: Auth) -> tuple[str, ...]:
    """Return the fields of credentials that say where a secret is."""
    return tuple(name for name, field in type(auth).model_fields.items() if _is_reference(field.metadata))


def _is_reference(metadata: Iterable[object]) -> bool:
    return any(isinstance(each, AfterValidator) and each.func is _check_reference for each in metadata)


class TlsSettings(ProfileModel):
    """Files in PEM, read again when they change. The certificate of the system is always checked."""

    ca: str | None = Field(default=None, description="File of the authorities to trust, beside those of the machine.")
    certificate: str | None = Field(default=None, description="File of our certificate, with its chain.")
    key: str | None = Field(default=None, description="File of its key. None: in the file of the certificate.")
    key_password: Annotated[SecretReference, Field(pattern="^file:")] | None = Field(
        default=None, description="Where the password of the key is: `file:PATH`."
    )

    server_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$")] | None = Field(
        default=None,
        description=(
            "Name that the certificate of the system must have, and that is sent as SNI, if it is not the host of"
            " `base_url`."
        ),
    )

    @model_validator(mode="after")
    def _check_key_has_certificate(self) -> Self:
        if self.certificate is None and (self.key or self.key_password):
            raise ValueError("key and key_password need a certificate")
        return self


class CallbackToken(ProfileModel):
    """Callbacks carry this token in this header."""

    kind: Literal["token"] = "token"
    header: HeaderName = "X-Southbound-Token"
    token: SecretReference
