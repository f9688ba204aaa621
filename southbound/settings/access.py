"""The settings that say who may use the northbound interface."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, field_validator

from consumers.northbound.access.addresses import jwks_url_mistake, read_networks
from consumers.northbound.tokens.algorithms import ALGORITHMS
from southbound.settings.section import Section

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")


class AccessSettings(Section):
    """Who may use the HTTP interface for ordering systems, and how much of it."""

    keys: Path | None = Field(
        None, description="File of API keys: clients, their keys (as digests or by reference), tenants and scopes."
    )
    key_header: str = Field("X-API-Key", description="Header in which a client sends its API key.")
    basic: bool = Field(
        default=False,
        description="Whether an API key is also taken as the password of HTTP basic authentication, with the name of"
        " its client as user name, from systems that can send nothing else.",
    )
    issuer: str | None = Field(
        None,
        description="Issuer of access tokens, exactly as in their claim `iss`. Set: bearer tokens (JWT) are accepted.",
    )
    audience: str | None = Field(None, description="The audience for which tokens must be issued (claim `aud`).")
    jwks_url: str | None = Field(
        None, description="Address of the issuer's key set (`jwks_uri` of its OpenID configuration), with https."
    )
    algorithms: str = Field(
        "RS256, PS256, ES256, EdDSA",
        description="Algorithms by which tokens may be signed, separated by commas. Only asymmetric ones exist here.",
    )
    name_claim: str = Field(
        "sub",
        min_length=1,
        description="Claim that names the client. This and the next two are names of claims, or paths with dots.",
    )
    tenant_claim: str | None = Field(
        None,
        description="Claim that names the client's tenant; a token without it is refused. Unset: tokens see the rows of"
        " all tenants.",
    )
    scope_claim: str = Field(
        "scope", min_length=1, description="Claim with the scopes, in one text or in a list, such as `scp` or `roles`."
    )
    leeway: float = Field(
        30.0, ge=0, le=300, description="Seconds by which the clocks of the issuer and of Southbound may differ."
    )
    rate: float = Field(
        50.0, gt=0, le=1_000_000, description="Requests per second of one client, on average. A key may have its own."
    )
    burst: int = Field(100, ge=1, le=1_000_000, description="Requests of one client at once, after a pause.")
    failures: int = Field(
        30,
        ge=1,
        le=1_000_000,
        description="Requests per minute from one address without valid credentials. Then all from this address"
        " get 429 until some time has passed.",
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks of reverse proxies, separated by commas. Their `X-Forwarded-For` names the"
        " address of the client.",
    )

    @field_validator("key_header")
    @classmethod
    def _validate_key_header(cls, name: str) -> str:
        if not _HEADER.fullmatch(name) or name.lower() == "authorization":
            raise ValueError("must be the name of an HTTP header, and not Authorization, which has bearer tokens")
        return name

    @field_validator("jwks_url")
    @classmethod
    def _validate_jwks_url(cls, url: str | None) -> str | None:
        if url is not None and (mistake := jwks_url_mistake(url)):
            raise ValueError(mistake)
        return url

    @field_validator("algorithms")
    @classmethod
    def _validate_algorithms(cls, text: str) -> str:
        names = split_names(text)
        if not names or not set(names) <= set(ALGORITHMS):
            raise ValueError(f"may name {', '.join(ALGORITHMS)}, separated by commas")
        return text

    @field_validator("trusted_proxies")
    @classmethod
    def _validate_trusted_proxies(cls, text: str) -> str:
        try:
            read_networks(text)
        except ValueError:
            raise ValueError("may hold addresses and networks such as 10.0.0.0/8, separated by commas") from None
        return text

    @property
    def is_off(self) -> bool:
        """Whether clients need no credentials."""
        return self.keys is None and self.issuer is None

    @property
    def accepted_algorithms(self) -> tuple[str, ...]:
        """The algorithms, one by one."""
        return split_names(self.algorithms)


def split_names(text: str) -> tuple[str, ...]:
    """Return names that are separated by commas or spaces."""
    return tuple(text.replace(",", " ").split())
