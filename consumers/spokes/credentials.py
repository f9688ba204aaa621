"""Say how an external system, or a caller of ours, proves who it is."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from consumers.spokes.secret_references import SecretReference

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class Part(BaseModel):
    """A part of a profile: frozen, and a field that it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


def _is_a_header_name(name: str) -> str:
    if not _HEADER.fullmatch(name):
        raise ValueError("must be the name of an HTTP header")
    return name


HeaderName = Annotated[str, AfterValidator(_is_a_header_name)]


class NoAuth(Part):
    """The system asks for no credentials."""

    kind: Literal["none"] = "none"


class BasicAuth(Part):
    """User name and password (RFC 7617)."""

    kind: Literal["basic"] = "basic"
    username: str = Field(min_length=1, pattern=r"^[^:]+$")
    password: SecretReference


class BearerAuth(Part):
    """A token that does not change while we run (RFC 6750)."""

    kind: Literal["bearer"] = "bearer"
    token: SecretReference


class ApiKeyAuth(Part):
    """A key in a header of the system's choice."""

    kind: Literal["api_key"] = "api_key"
    header: HeaderName = "X-API-Key"
    key: SecretReference


Auth = Annotated[NoAuth | BasicAuth | BearerAuth | ApiKeyAuth, Field(discriminator="kind")]


class HeaderToken(Part):
    """Callbacks carry this token in this header."""

    kind: Literal["token"] = "token"
    header: HeaderName = "X-Southbound-Token"
    token: SecretReference


CallbackAuth = Annotated[NoAuth | BasicAuth | HeaderToken, Field(discriminator="kind")]
