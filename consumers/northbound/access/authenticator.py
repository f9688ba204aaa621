"""Authenticate the clients of the northbound interface: one small class per kind of credentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from consumers.northbound.access.refusals import AccessRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.northbound.principal import Principal

CredentialKind = Literal["key", "token", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatedClient:
    """A principal, with its own limits: None where those of the settings hold."""

    principal: Principal
    credential: CredentialKind
    rate: float | None = None  # requests per second
    burst: int | None = None
    max_body_bytes: int | None = None


class Authenticator(Protocol):
    """Checks one kind of credentials in the headers of a request; names of headers are in any case."""

    @property
    def challenge(self) -> str:
        """The challenge of `WWW-Authenticate` that asks for these credentials."""

    async def authenticate(self, headers: Mapping[str, str]) -> AuthenticatedClient | None:
        """Return the client, or None if the request has no credentials of this kind.

        Raises:
            AccessRefusedError: the credentials are not valid, or it cannot be found out now.
        """


async def authenticate_by_one(
    authenticators: Sequence[Authenticator], headers: Mapping[str, str]
) -> AuthenticatedClient:
    """Return the client by the one authenticator whose credentials the request has.

    Raises:
        AccessRefusedError: there are none, they are not valid, or there are credentials of two kinds.
    """
    found = [client for one in authenticators if (client := await one.authenticate(headers))]
    if len(found) == 1:
        return found[0]
    if found:
        raise AccessRefusedError(400, "twoCredentials", "the request has credentials of two kinds: send one of them")
    challenges = ", ".join(authenticator.challenge for authenticator in authenticators)
    sentence = "the request has no credentials: send one of those that WWW-Authenticate names"
    if headers.get("Authorization") is not None:
        sentence = "the header Authorization is not accepted here as it is sent: send what WWW-Authenticate names"
    raise AccessRefusedError(401, "unauthenticated", sentence, {"WWW-Authenticate": challenges})
