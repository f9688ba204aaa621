"""Send one HTTP request to an external system, and return its response, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from consumers.spokes.port import do_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.spokes.port import BeforeCall
    from router.responses import HttpResponse, NoResponse


def origin_of(url: str) -> str:
    """Return the part of an address that says where to connect: scheme, host and port."""
    return "/".join(url.partition("?")[0].split("/", 3)[:3])


class UnfitRequestError(ValueError):
    """The request cannot be written as HTTP, so nothing was sent."""


class BeforeCallError(Exception):
    """Wraps the `error` that `before` raised: nothing was sent. Transports unwrap it, so no caller sees this class."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request, credentials included; that is why neither its query nor its headers are ever printed."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)

    def with_header(self, name: str, value: str) -> HttpRequest:
        """Return the same request with one more header."""
        return replace(self, headers={**self.headers, name: value})

    def with_query(self, name: str, value: str) -> HttpRequest:
        """Return the same request with one more query parameter; both are percent-encoded already."""
        return replace(self, url=f"{self.url}{'&' if '?' in self.url else '?'}{name}={value}")

    @property
    def path(self) -> str:
        """The address without its query."""
        return self.url.partition("?")[0]

    @property
    def is_valid_http(self) -> bool:
        """Whether the address has no space, and neither it nor a header has a line break."""
        text = (self.method, self.url, *self.headers, *self.headers.values())
        return " " not in self.url and "".join(text).isprintable()


class Transport(Protocol):
    """The port for HTTP libraries: another one replaces aiohttp by implementing it."""

    async def send(self, request: HttpRequest, before: BeforeCall = do_nothing) -> HttpResponse | NoResponse:
        """Make one attempt: POST and PATCH are never repeated, redirects never followed.

        `before` is awaited when there is a connection, right before a request is written on it, and again for each
        connection on which it is written. What it raises is raised, and nothing is written.
        """

    async def close(self) -> None:
        """Close the connections."""
