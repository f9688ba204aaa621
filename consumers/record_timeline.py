"""Collect the entries of timelines in memory and store them together, so that no run waits for its timeline."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from typing import TYPE_CHECKING

from consumers.dispatch.call import ObservedCall
from consumers.spokes.transport import origin_of
from consumers.store.port import StoreUnavailableError, UnstorableError
from router.responses import HttpResponse
from router.timeline.bodies import digest_of, masked_body
from router.timeline.entries import HttpAttempt, StateChange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumers.periodic import ReportSentence
    from consumers.store.timelines.port import TimelineStore
    from router.runs.run import RunRow
    from router.timeline.entries import TimelineEntry

    _Waiting = ObservedCall | tuple[Sequence[str], TimelineEntry]  # with the runs that an entry is about

MAX_WAITING = 20_000  # entries in memory, beyond which the oldest are dropped and counted
MAX_HELD_BYTES = 8_192  # of the bodies of one call
_GROUP = 2_000  # entries in one transaction: each costs a flush of the disk
_MAX_URL_LENGTH = 1_000
_MAX_CODES = 10


class TimelineRecorder:
    """Collects entries and stores them every `every` seconds. What is in memory when a process is killed is lost."""

    def __init__(
        self, store: TimelineStore, *, warn: ReportSentence, on_dropped: Callable[[int], None], every: float = 1.0
    ) -> None:
        self._store = store
        self._warn = warn
        self._on_dropped = on_dropped
        self._every = every
        self._is_out = False
        self._waiting: deque[_Waiting] = deque()

    def call_made(self, observed: ObservedCall) -> None:
        """Record a call."""
        if observed.run_ids:
            # Whole bodies are not held for as long as the store is away.
            self._add(observed if _body_bytes(observed) <= MAX_HELD_BYTES else (observed.run_ids, _attempt(observed)))

    def row_stored(self, before: RunRow | None, after: RunRow) -> None:
        """Record that a row was stored, if its phase or state is another than before."""
        if before is None or before.phase is not after.phase or before.state is not after.state:
            change = StateChange(at=after.updated_at, phase=after.phase, state=after.state, revision=after.revision)
            self._add(((after.run_id,), change))

    def _add(self, entry: _Waiting) -> None:
        self._waiting.append(entry)
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self._on_dropped(1)

    async def run(self) -> None:
        """Store what was collected, periodically, until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self.flush()

    async def flush(self) -> None:
        """Store what was collected; during an outage of the store, it waits in memory."""
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(_GROUP, len(self._waiting)))]
            try:
                await self._store.append(_by_run(group))
            except asyncio.CancelledError:
                self._waiting.extendleft(reversed(group))
                raise
            except StoreUnavailableError as error:
                self._waiting.extendleft(reversed(group))
                if not self._is_out:
                    self._warn(f"timelines of runs could not be stored; this will be retried: {error}")
                self._is_out = True
                return
            except UnstorableError as error:
                self._on_dropped(len(group))
                self._warn(f"timelines of {len(group)} entries cannot be stored: {error}")
            self._is_out = False


def _by_run(group: Sequence[_Waiting]) -> dict[str, list[TimelineEntry]]:
    entries: dict[str, list[TimelineEntry]] = defaultdict(list)
    for one in group:
        run_ids, entry = (one.run_ids, _attempt(one)) if isinstance(one, ObservedCall) else one
        for run_id in run_ids:
            entries[run_id].append(entry)
    return entries


def _body_bytes(observed: ObservedCall) -> int:
    response = observed.response
    return len(observed.call.body or b"") + (len(response.body) if isinstance(response, HttpResponse) else 0)


def _attempt(observed: ObservedCall) -> HttpAttempt:
    call, response = observed.call, observed.response
    answer = response if isinstance(response, HttpResponse) else None
    query = f"?{'&'.join(f'{name}={value}' for name, value in call.query)}" if call.query else ""
    keeps_bodies = observed.system.keep_bodies
    base_url = origin_of(observed.system.base_url) if call.from_root else observed.system.base_url
    return HttpAttempt(
        at=observed.began,
        system=observed.system.name,
        purpose=call.purpose,
        method=call.method,
        url=f"{base_url}{call.path}{query}"[:_MAX_URL_LENGTH].replace("\x00", ""),
        status=answer.status if answer else None,
        failure=None if isinstance(response, HttpResponse) else response.cause,
        seconds=round((observed.ended - observed.began).total_seconds(), 3),
        verdict=observed.meaning.verdict,
        codes=tuple(reason.code for reason in observed.meaning.reasons[:_MAX_CODES]),
        request_digest=digest_of(call.body),
        response_digest=digest_of(answer.body) if answer else None,
        request_body=masked_body(call.body) if keeps_bodies else None,
        profile_digest=observed.system.digest,
        response_body=masked_body(answer.body, answer.headers.get("content-type")) if keeps_bodies and answer else None,
    )
