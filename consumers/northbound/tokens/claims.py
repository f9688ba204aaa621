"""Check the claims of a token whose signature is valid, and read from them who calls."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.northbound.principal import Principal, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_NAME = 200  # characters of a name or a tenant
ALL_TENANTS = "*"  # what a key file writes; never the tenant of a token
_MAX_AUDIENCES = 100
_SCOPES = {scope.value: scope for scope in Scope}


class InvalidClaimsError(Exception):
    """The token is not for us, not valid now, or lacks a claim. The message repeats nothing of the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRules:
    """What a token must claim, and where its claims stand. `leeway` is the tolerated difference of clocks in seconds.

    A claim is named as it is written at the top level, or by a path with dots into nested objects. Without
    `tenant_claim` there is one tenant for all.
    """

    issuer: str
    audience: str
    name_claim: str = "sub"
    scope_claim: str = "scope"
    tenant_claim: str | None = None
    leeway: float = 30.0


def principal_from(claims: Mapping[str, object], rules: ClaimRules, now: float) -> Principal:
    """Return who calls; `now` is in seconds since 1970.

    Raises:
        InvalidClaimsError: the token is not accepted.
    """
    _check_issuer(claims, rules)
    _check_times(claims, rules, now)
    name = _text(claim_at(claims, rules.name_claim), "does not name its client")
    tenant = None
    if rules.tenant_claim is not None:
        tenant = _text(claim_at(claims, rules.tenant_claim), "does not name its tenant")
        if tenant == ALL_TENANTS:
            raise InvalidClaimsError("the token does not name its tenant")
    # The prefix separates the names that an issuer chooses from those of API keys.
    return Principal(name=f"token:{name}", tenant=tenant, scopes=_scopes(claim_at(claims, rules.scope_claim)))


def expires_at(claims: Mapping[str, object]) -> float:
    """Return the time from which on the token is no longer valid, without leeway.

    Raises:
        InvalidClaimsError: the claim is missing or no time.
    """
    expiry = _time(claims, "exp")
    if expiry is None:
        raise InvalidClaimsError("the token does not expire: ask for one with exp")
    return expiry


def claim_at(claims: Mapping[str, object], path: str) -> object:
    """Return a claim by its name, or by a path with dots into nested objects; None if there is none."""
    if path in claims:  # also a name that has dots itself, such as an address
        return claims[path]
    value: object = claims
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _check_issuer(claims: Mapping[str, object], rules: ClaimRules) -> None:
    if claims.get("iss") != rules.issuer:
        raise InvalidClaimsError("the token is of another issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if rules.audience not in audiences[:_MAX_AUDIENCES]:
        raise InvalidClaimsError("the token is for another audience")


def _check_times(claims: Mapping[str, object], rules: ClaimRules, now: float) -> None:
    if expires_at(claims) + rules.leeway <= now:
        raise InvalidClaimsError("the token is expired")
    for name in ("nbf", "iat"):
        begins = _time(claims, name)
        if begins is not None and begins - rules.leeway > now:
            raise InvalidClaimsError("the token is not valid yet")


def _time(claims: Mapping[str, object], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    # True is an int in Python, and JSON has numbers that are infinite as a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidClaimsError(f"the claim {name} of the token is not a time")
    return float(value)


def _text(value: object, otherwise: str) -> str:
    if not isinstance(value, str) or not is_name(value):
        raise InvalidClaimsError(f"the token {otherwise}")
    return value


def is_name(text: str) -> bool:
    """Return whether a text can be a name or a tenant: printable, not blank, and not too long."""
    return 0 < len(text) <= MAX_NAME and text.isprintable() and text == text.strip()


def _scopes(value: object) -> frozenset[Scope]:
    """Return the scopes among words separated by spaces, or in a list (as Entra ID and Okta write them)."""
    words: Iterable[object] = value.split() if isinstance(value, str) else value if isinstance(value, list) else ()
    return frozenset(_SCOPES[word] for word in words if isinstance(word, str) and word in _SCOPES)
