"""Limit what one external system takes of the listener, so that the callbacks of the others are received."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

from consumers.inbound.callback_responses import CallbackRefusedError
from consumers.spokes.limits.rate_limit import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from consumers.spokes.conventions.callback_limits import CallbackLimits


class SpokeAdmission:
    """The requests of one system that are in progress, and how many more may begin."""

    def __init__(self, limits: CallbackLimits, max_concurrent: int, clock: Callable[[], float]) -> None:
        self._max = min(limits.concurrency, max_concurrent)
        self._in_progress = 0
        per_second = limits.per_second
        self._rate = None if per_second is None else RateLimit(per_second, limits.burst, clock)

    @contextmanager
    def slot(self, retry_after: int) -> Iterator[None]:
        """Hold one of the slots of the system.

        Raises:
            CallbackRefusedError: all of them are taken.
        """
        if self._in_progress >= self._max:
            sentence = f"{self._max} callbacks of this system are in progress, as many as it may have: send it later"
            raise CallbackRefusedError(503, "overloaded", sentence, {"Retry-After": str(retry_after)})
        self._in_progress += 1
        try:
            yield
        finally:
            self._in_progress -= 1

    def take(self) -> None:
        """Take a token of the rate.

        Raises:
            CallbackRefusedError: there is none.
        """
        wait = 0.0 if self._rate is None else self._rate.try_take()
        if wait > 0:
            sentence = "the system sends more callbacks per second than its profile allows: send it again later"
            raise CallbackRefusedError(429, "tooManyRequests", sentence, {"Retry-After": str(math.ceil(wait))})
