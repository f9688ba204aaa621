"""Publish a check of every run of which something is missing, when it is due."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from consumers.periodic import repeat
from router.runs.ids import derive_event_id
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.inbound import InboundReceived
from schemas.vocabulary import Channel

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.periodic import ReportSentence
    from consumers.store.port import RunStore
    from producers.event_publisher import EventPublisher
    from router.runs.run import RunRow

PAGE_SIZE = 200  # runs that are read and published together
# A check or a polled answer that the inbound consumer has not processed by then. It is on its topic, so a consumer that
# lags by minutes needs no copies of it.
REPUBLISH_AFTER = timedelta(hours=1)


@dataclass(slots=True, kw_only=True)
class DueCheckPublisher:
    """Looks every `every` seconds for runs whose check is due, and publishes it as a report without content.

    The inbound consumer then asks the system. The time of the next check is in the run store, so it survives a restart,
    and the check is a record, so it survives a crash.
    """

    store: RunStore
    events: EventPublisher
    now: Callable[[], datetime]
    warn: ReportSentence
    every: float = 1.0
    _published: dict[str, datetime] = field(default_factory=dict)  # id of a check -> when

    async def run(self) -> None:
        """Look until cancelled."""
        await repeat(
            self.publish_due,
            every=self.every,
            warn=self.warn,
            failure="Runs of which something is missing could not be checked",
        )

    async def publish_due(self) -> int:
        """Publish the checks that are due, and return their number."""
        now, last, due = self.now(), None, dict[str, datetime]()
        while rows := await self.store.runs_to_check(now, PAGE_SIZE, last):
            events = []
            for row in rows:
                check_id = _check_id(row)
                published_at = self._published.get(check_id)
                if published_at is None or now - published_at >= REPUBLISH_AFTER:
                    events.append(check_event(row, now))
                    published_at = now
                due[check_id] = published_at
            await self.events.publish(events)
            last = rows[-1]
        self._published = due
        return sum(at == now for at in due.values())


def check_event(row: RunRow, now: datetime) -> Event:
    """Return the event that makes the inbound consumer ask for a run. Its id is the same until the run changes."""
    # The key of a report is made from the external id. A run without one must not share a lane with all others.
    received = InboundReceived(
        spoke=row.spoke,
        external_id=row.external_id or row.run_id,
        channel=Channel.POLL,
        received_at=now,
        body=b"",
    )
    return Event(headers=EventHeaders(id=_check_id(row), time=now, subject=row.run_id), data=received)


def _check_id(row: RunRow) -> str:
    return derive_event_id(row.run_id, f"check:{row.revision}")
