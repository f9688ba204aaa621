"""What the listener asks about the sender of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from multidict import MultiMapping


class CallbackAuthenticator(Protocol):
    """Checks a request: first its head, then its body; names of headers are in any case."""

    def accepts(self, headers: MultiMapping[str], peer: str = "") -> bool:
        """Return whether the headers, and the address that the connection comes from, may be of the system."""

    def accepts_body(self, headers: MultiMapping[str], body: bytes) -> bool:
        """Return whether the body belongs to the headers, which were accepted."""
