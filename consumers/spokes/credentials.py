"""How an external system, or a caller of ours, proves its identity."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

if TYPE_CHECKING:
    from collections.abc import Mapping


class SecretMissingError(Exception):
    """A secret is not where the profile says; the sentence names the place, never the secret."""


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


Auth = Annotated[NoAuth | BasicAuth | BearerAuth | ApiKeyAuth, Field(discriminator="kind")]


class CallbackToken(ProfileModel):
    """Callbacks carry this token in this header."""

    kind: Literal["token"] = "token"
    header: HeaderName = "X-Southbound-Token"
    token: SecretReference


CallbackAuth = Annotated[NoAuth | BasicAuth | CallbackToken, Field(discriminator="kind")]
