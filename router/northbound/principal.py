"""Describe who calls the northbound interface, and what this principal may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a principal may do; the values are the scopes of an OAuth2 token."""

    READ = "southbound.read"
    ORDER = "southbound.order"
    CANCEL = "southbound.cancel"
    ADMINISTER = "southbound.administer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated client. `tenant` limits it to the rows of one tenant; None: it sees all of them."""

    name: str
    tenant: str | None = None
    scopes: frozenset[Scope] = frozenset()

    def may(self, scope: Scope) -> bool:
        """Return whether the principal has this scope."""
        return scope in self.scopes

    def sees(self, tenant: str | None) -> bool:
        """Return whether rows of this tenant exist for the principal."""
        return self.tenant is None or self.tenant == tenant


# Who calls while authentication is off, which is possible on a loopback address only.
LOCAL_PRINCIPAL = Principal(name="local", scopes=frozenset(Scope))
