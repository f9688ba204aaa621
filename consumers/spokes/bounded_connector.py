"""Connections whose responses are bounded before they are read: in interim responses, and in the length of a header.

What a system sends is parsed as it arrives, before anything waits for it. A system that floods a connection with
interim responses would keep the event loop busy until the time of the call is over.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import LineTooLong

if TYPE_CHECKING:
    from aiohttp.http import RawResponseMessage

MAX_INTERIM_RESPONSES = 20  # to one request; HTTP sets no limit, and systems send one or two
MAX_HEADER_BYTES = 32 * 1024  # of one header; a Content-Security-Policy has 10 KB or more
_FIRST_FINAL_STATUS = 200
_SWITCHING_PROTOCOLS = 101


class InterimFloodError(aiohttp.ClientError):
    """The system answers with interim responses only."""


class HeaderTooLongError(aiohttp.ClientError):
    """A header is longer than `MAX_HEADER_BYTES`."""


class BoundedConnector(aiohttp.TCPConnector):
    """A pool of such connections."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - those of `TCPConnector`
        super().__init__(**options)
        self._factory = cast("partial[ResponseHandler]", partial(_BoundedResponseHandler, loop=self._loop))


class _BoundedResponseHandler(ResponseHandler):
    """The parser of responses, which ends the connection of a system that floods it."""

    _interim_responses = 0

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        """Take the head of a response."""
        status = data[0].code
        if status >= _FIRST_FINAL_STATUS or status == _SWITCHING_PROTOCOLS:
            self._interim_responses = 0
        else:
            self._interim_responses += 1
        if self._interim_responses <= MAX_INTERIM_RESPONSES:
            super().feed_data(data, size)
        elif self.transport is not None and not self.transport.is_closing():
            self.set_exception(InterimFloodError())
            self.transport.abort()

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Report why no response arrives."""
        if isinstance(exc_cause, LineTooLong):
            super().set_exception(HeaderTooLongError())
        elif exc_cause is None:
            super().set_exception(exc)
        else:
            super().set_exception(exc, exc_cause)
