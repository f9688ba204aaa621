"""Keep the key set of an issuer: fetched when needed, seldom, and used for a bounded time if the issuer is down."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from consumers.northbound.tokens.key_set import KeySet, KeySetError, read_key_set

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()


class KeysNotFetchedError(Exception):
    """The key set could not be fetched; the message says why."""


class KeysUnavailableError(Exception):
    """There are no keys that may still be used. `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("the keys of the issuer cannot be fetched now")
        self.retry_after = retry_after


class KeySetSource(Protocol):
    """Where key sets come from."""

    async def fetch(self) -> bytes:
        """Return the document, which is bounded in size and time.

        Raises:
            KeysNotFetchedError: it was not received.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAges:
    """How long keys are used, in seconds."""

    fresh: float = 300.0  # then they are fetched again, before a token is verified with them
    stale: float = 86_400.0  # after this they are not used any more, even if the issuer is down
    between_fetches: float = 30.0  # at least, whatever key ids tokens name


@dataclass(frozen=True, slots=True)
class HeldKeys:
    """A key set with its number, which changes at each fetch."""

    keys: KeySet
    number: int


class JwksCache:
    """The keys of one issuer. There is at most one fetch at a time."""

    def __init__(
        self,
        source: KeySetSource,
        clock: Callable[[], float],
        ages: KeyAges | None = None,
        on_fetch: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._ages = ages or KeyAges()
        self._on_fetch = on_fetch
        self._held: HeldKeys | None = None
        self._fetched_at = -math.inf
        self._tried_at = -math.inf
        self._failing = False
        self._fetch: asyncio.Task[None] | None = None

    @property
    def age(self) -> float:
        """Seconds since the keys were fetched; infinite before the first time."""
        return self._clock() - self._fetched_at

    async def current(self) -> HeldKeys:
        """Return the keys, fetched before if they are not fresh.

        While the issuer is down they are returned at once, and fetched in the background.

        Raises:
            KeysUnavailableError: there are none that may be used.
        """
        if self.age > self._ages.fresh and self._may_fetch():
            fetch = self._start_fetch()
            if not (self._failing and self._usable()):
                await asyncio.shield(fetch)
        elif self._fetch is not None and not self._usable():
            await asyncio.shield(self._fetch)
        return self._usable_keys()

    async def newer_than(self, seen: HeldKeys) -> HeldKeys:
        """Return keys that were fetched after `seen`, for a key id that it lacks; or `seen`, if it is too early."""
        if self._held is not None and self._held.number > seen.number:
            return self._held
        if self._fetch is None and not self._may_fetch():
            return seen
        await asyncio.shield(self._start_fetch())
        return self._usable_keys()

    async def close(self) -> None:
        """End a fetch that is under way."""
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.gather(self._fetch, return_exceptions=True)

    def _may_fetch(self) -> bool:
        return self._clock() - self._tried_at >= self._ages.between_fetches

    def _usable(self) -> bool:
        return self._held is not None and self.age <= self._ages.stale

    def _usable_keys(self) -> HeldKeys:
        if self._held is None or not self._usable():
            wait = self._tried_at + self._ages.between_fetches - self._clock()
            raise KeysUnavailableError(max(1.0, min(wait, self._ages.between_fetches)))
        return self._held

    def _start_fetch(self) -> asyncio.Task[None]:
        if self._fetch is None:
            self._tried_at = self._clock()
            self._fetch = asyncio.create_task(self._run_fetch())
        return self._fetch

    async def _run_fetch(self) -> None:
        try:
            keys = read_key_set(await self._source.fetch())
        except (KeysNotFetchedError, KeySetError) as error:
            self._failing = True
            log.warning("keys of the issuer were not fetched", reason=str(error), has_usable_keys=self._usable())
        else:
            self._failing = False
            self._fetched_at = self._clock()
            self._held = HeldKeys(keys, (self._held.number if self._held else 0) + 1)
            if not keys.keys:
                log.warning("the issuer has no key that verifies tokens", skipped=keys.skipped)
        finally:
            self._fetch = None
        self._on_fetch(not self._failing)
