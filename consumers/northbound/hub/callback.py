"""Read the address and the query of a subscription, and resolve where an address leads."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from ipaddress import ip_address
from socket import AddressFamily
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp.abc import AbstractResolver
from yarl import URL

from consumers.spokes.limits.name_resolver import OwnThreadResolver
from router.northbound.hub.event_query import MAX_QUERY_LENGTH, EventQueryError, event_query

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult

    from router.northbound.hub.address_policy import AddressPolicy
    from router.northbound.hub.event_query import EventQuery

MAX_CALLBACK_LENGTH = 2_000  # characters
_MAX_RESOLUTION = 5.0  # seconds


class CallbackError(ValueError):
    """An address to which no notifications are sent; the message begins with what is wrong with it."""


class AddressRefusedError(OSError):
    """A name leads to addresses that the policy refuses."""


def read_callback(text: str, policy: AddressPolicy) -> str:
    """Return the address as it is called.

    Raises:
        CallbackError: it is no address, or its text shows that it may not be called.
    """
    if len(text) > MAX_CALLBACK_LENGTH:
        raise CallbackError(f"has more than {MAX_CALLBACK_LENGTH} characters")
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise CallbackError("has a character that must be encoded")
    try:
        url = URL(text)
        scheme, host, port = url.scheme, url.host or "", url.port
    except ValueError:
        raise CallbackError("is no address") from None
    if not host or not port:
        raise CallbackError("is no whole address such as https://system.example/listener")
    if url.user is not None or url.password is not None:
        raise CallbackError("carries credentials: verify the signature instead")
    if url.fragment:
        raise CallbackError("has a fragment, which is never sent")
    if refusal := policy.refusal_of_url(scheme, host):
        raise CallbackError(refusal)
    return str(url)


async def check_leads_outside(callback: str, resolver: PolicyResolver) -> None:
    """Resolve the name in an address once, so that a subscriber learns at once that it is refused.

    Raises:
        CallbackError: it cannot be resolved, or leads to an address that the policy refuses.
    """
    url = URL(callback)
    try:
        async with asyncio.timeout(_MAX_RESOLUTION):
            await resolver.resolve(url.host or "", url.port or 0)
    except AddressRefusedError as error:
        raise CallbackError(str(error)) from None
    except OSError:  # a TimeoutError, too
        raise CallbackError("names a host that cannot be resolved") from None


@lru_cache(maxsize=512)
def read_query(text: str) -> EventQuery:
    """Return the query of a subscription.

    Raises:
        EventQueryError: it cannot be understood.
    """
    if len(text) > MAX_QUERY_LENGTH:
        raise EventQueryError(f"the query has more than {MAX_QUERY_LENGTH} characters")
    stripped = text.strip().removeprefix("?")
    if not stripped:
        return event_query(())
    try:
        pairs = parse_qsl(stripped, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise EventQueryError("the query is not written as name=value&name=value") from None
    return event_query(pairs)


class PolicyResolver(AbstractResolver):
    """Resolves names to the addresses that the policy allows; a connection is made to one of these and no other.

    So a name that leads elsewhere a moment later changes nothing: what was checked is what is called.
    """

    def __init__(self, policy: AddressPolicy, inner: AbstractResolver | None = None) -> None:
        self._policy = policy
        self._inner = inner or OwnThreadResolver()
        self.refusal = ""  # why the last name was refused

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host; a name with one refused address is refused.

        Raises:
            AddressRefusedError: the policy refuses an address.
            OSError: the name cannot be resolved.
        """
        self.refusal = ""
        found = await self._inner.resolve(host, port, family)
        for result in found:
            refusal = self._policy.refusal_of_address(ip_address(result["host"].partition("%")[0]))
            if refusal:
                self.refusal = refusal
                raise AddressRefusedError(refusal)
        return found

    async def close(self) -> None:
        """Close the inner resolver."""
        await self._inner.close()
