"""Call one subscriber, after its address was checked once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from yarl import URL

from consumers.northbound.hub.callback import CallbackError, PolicyResolver, read_callback
from consumers.spokes.aiohttp_transport import AiohttpTransport
from consumers.spokes.profile import Profile, Timeouts
from consumers.spokes.transport import HttpRequest
from router.responses import NoResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.abc import AbstractResolver

    from router.northbound.hub.address_policy import AddressPolicy
    from router.responses import HttpResponse

CONNECT_TIMEOUT = 3.0  # seconds
MAX_RESPONSE_BYTES = 16_384  # nothing in a response is used


class SubscriberClient(Protocol):
    """Delivers to one subscriber."""

    async def post(self, headers: Mapping[str, str], body: bytes) -> HttpResponse | NoResponse:
        """Make one attempt; never raises for what the network or the subscriber does."""

    async def close(self) -> None:
        """Close the connections."""


class CallbackClient:
    """A `SubscriberClient` with connections of its own, so that no subscriber waits for another one's."""

    def __init__(
        self,
        callback: str,
        policy: AddressPolicy,
        *,
        timeout: float,
        concurrency: int,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._callback = callback
        self._policy = policy
        self._resolver = PolicyResolver(policy, resolver)
        url = URL(callback)
        limits = Profile(
            name="subscriber",
            base_url=str(url.origin()),
            timeouts=Timeouts(connect=min(CONNECT_TIMEOUT, timeout / 2), read=timeout, total=timeout),
            concurrency=concurrency,
            max_response_bytes=MAX_RESPONSE_BYTES,
        )
        self._where = f"{url.host}:{url.port}"
        self._transport = AiohttpTransport(limits, self._resolver)

    async def post(self, headers: Mapping[str, str], body: bytes) -> HttpResponse | NoResponse:
        """Make one attempt; a redirect is an answer and is not followed."""
        try:
            # The policy may have changed since the subscription. An address that is no name is checked only here.
            callback = read_callback(self._callback, self._policy)
        except CallbackError as error:
            return NoResponse(perhaps_sent=False, cause=f"no call is made: the address {error}")
        fixed = {"Content-Type": "application/json", "Accept": "*/*", "User-Agent": "southbound"}
        reply = await self._transport.send(
            HttpRequest(method="POST", url=callback, headers={**fixed, **headers}, body=body)
        )
        if isinstance(reply, NoResponse) and self._resolver.refusal and not reply.perhaps_sent:
            return NoResponse(perhaps_sent=False, cause=f"no call is made: {self._where} {self._resolver.refusal}")
        return reply

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()
