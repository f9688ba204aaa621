"""What every request to the northbound interface brings with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from router.northbound.errors import MistakeCode, refuse

if TYPE_CHECKING:
    from router.northbound.api_version import ApiVersion
    from router.northbound.principal import Principal, Scope


def client_name_of(client: str) -> str | None:
    """Return the name in the client of an order, as `ApiCall.client` writes it."""
    try:
        _, name = orjson.loads(client)
    except (orjson.JSONDecodeError, TypeError, ValueError):
        return None
    return name if isinstance(name, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """Who calls, which version of TMF653 it speaks, and its trace."""

    principal: Principal
    version: ApiVersion
    traceparent: str | None = None

    @property
    def client(self) -> str:
        """The client, whose ids and keys are its own: its tenant and name."""
        return orjson.dumps([self.principal.tenant, self.principal.name]).decode()

    def require(self, *scopes: Scope) -> None:
        """Refuse a principal without any of these scopes.

        Raises:
            ApiRefusedError: 403.
        """
        if not any(self.principal.may(scope) for scope in scopes):
            names = " or ".join(scope.value for scope in scopes)
            raise refuse(403, MistakeCode.OTHER, f"the credentials do not include the scope {names}")
