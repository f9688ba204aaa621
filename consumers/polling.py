"""Ask external systems about runs that have been silent for too long."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from consumers.calling import MayNotSendError
from consumers.spokes.profile import Inbound
from consumers.store.port import StoreUnavailableError
from producers.publisher import PublishError
from router.answers import Verdict
from router.identity import derived_id
from schemas.envelope import Event
from schemas.headers import EventHeaders
from schemas.inbound import InboundReceived
from schemas.vocabulary import Channel

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from consumers.calling import Caller
    from consumers.spokes.profile import Profile
    from consumers.store.port import RunStore
    from producers.events import EventPublisher
    from router.runs import RunRow

    class Complain(Protocol):
        """Say what went wrong to people; the poller goes on."""

        def __call__(self, sentence: str, /) -> object:
            """Say it."""


# A round asks about all silent runs that it can: they stay silent if nothing changes out there, so that a
# smaller number would ask about the same ones for ever.
IN_A_ROUND = 10_000
AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Poller:
    """Poll the systems whose profile says `poll`; what they say goes the way of every other report."""

    caller: Caller
    store: RunStore
    events: EventPublisher
    now: Callable[[], datetime]
    complain: Complain

    async def run(self) -> None:
        """Poll until cancelled."""
        profiles = [spoke.profile for spoke in self.caller.spokes.values() if Inbound.POLL in spoke.profile.inbound]
        async with asyncio.TaskGroup() as group:
            for profile in profiles:
                group.create_task(self._poll(profile))

    async def _poll(self, profile: Profile) -> None:
        while True:
            try:
                await self.round(profile)
            except (StoreUnavailableError, PublishError, MayNotSendError) as error:
                self.complain(f"Polling {profile.name} has to wait: {error}")
            await asyncio.sleep(profile.poll_interval)

    async def round(self, profile: Profile) -> int:
        """Ask about every run that is silent for too long; give how many answers were taken in."""
        since = self.now() - timedelta(seconds=profile.silent_after)
        rows = await self.store.silent_runs(profile.name, since, IN_A_ROUND)
        heard = 0
        for start in range(0, len(rows), AT_ONCE):
            answers = await asyncio.gather(*map(self._ask, rows[start : start + AT_ONCE]))
            news = [event for event in answers if event is not None]
            await self.events.publish(news)
            heard += len(news)
        return heard

    async def _ask(self, row: RunRow) -> Event | None:
        asked = await self.caller.ask(row.spoke, self.caller.spoke(row.spoke).to_read(row.external_id or ""))
        if asked.judgement.verdict is Verdict.LOST:
            self.complain(f"{row.spoke} does not know {row.external_id} any more, its id of run {row.run_id}")
        if asked.judgement.verdict is not Verdict.ACCEPTED:
            return None
        answer = asked.answered()
        received = InboundReceived(
            spoke=row.spoke,
            external_id=row.external_id or "",
            channel=Channel.POLL,
            received_at=self.now(),
            content_type=answer.headers.get("content-type"),
            body=answer.body,
        )
        # The same words about the same run are no news: they get the same id.
        news = derived_id(f"{row.spoke}:{row.external_id}", f"poll:{sha256(answer.body).hexdigest()}")
        if news in row.heard:
            return None
        return Event(headers=EventHeaders(id=news, time=self.now(), subject=row.run_id), data=received)
