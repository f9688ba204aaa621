"""Publish a check of every run of which something is missing, or which is late, when it is due."""

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
    from collections.abc import Callable, Sequence

    from consumers.periodic import ReportSentence
    from consumers.store.port import RunStore
    from producers.event_publisher import EventPublisher
    from router.runs.run import RunRow

PAGE_SIZE = 200  # runs that are read and published together
MAX_PAGES = 10  # in one round: after a long outage, many runs are due at once
CHECK_CONTENT_TYPE = "application/vnd.southbound.check"  # marks a check in the record that nothing else came with
# A check or a polled answer that the inbound consumer has not processed by then. It is on its topic, so a consumer that
# lags by minutes needs no copies of it.
REPUBLISH_AFTER = timedelta(hours=1)


@dataclass(slots=True, kw_only=True)
class DueCheckPublisher:
    """Looks every `every` seconds for runs whose check is due, and publishes it as a report without content.

    The inbound consumer then reads the run at its system, or acts on a deadline, after all reports that were published
    before the check. A round that finds many continues where the last one ended, so that none is skipped. The time of
    the next check is in the run store, so it survives a restart, and the check is a record, so it survives a crash.
    """

    store: RunStore
    events: EventPublisher
    now: Callable[[], datetime]
    warn: ReportSentence
    every: float = 1.0
    _published: dict[str, datetime] = field(default_factory=dict)  # id of a check -> when
    _seen: dict[str, datetime] = field(default_factory=dict)  # the same, of the checks that this pass has seen
    _last: RunRow | None = None  # where the last round ended

    async def run(self) -> None:
        """Publish due checks periodically, until cancelled."""
        await repeat(
            self.publish_due,
            every=self.every,
            warn=self.warn,
            failure="Runs of which something is missing could not be checked",
        )

    async def publish_due(self) -> int:
        """Publish the checks that are due, at most `MAX_PAGES` pages of them, and return the number of checks."""
        now, published = self.now(), 0
        for _ in range(MAX_PAGES):
            rows = await self.store.runs_to_check(now, PAGE_SIZE, self._last)
            published += await self._publish(rows, now)
            if len(rows) < PAGE_SIZE:
                self._published, self._seen, self._last = self._seen, {}, None
                break
            self._last = rows[-1]
        return published

    async def _publish(self, rows: Sequence[RunRow], now: datetime) -> int:
        due = {_check_id(row): row for row in rows}
        known = {check_id: at for check_id in due if (at := self._published.get(check_id)) is not None}
        new = [check_id for check_id in due if check_id not in known or now - known[check_id] >= REPUBLISH_AFTER]
        await self.events.publish([check_event(due[check_id], now) for check_id in new])
        self._seen |= known | dict.fromkeys(new, now)
        return len(new)


def check_event(row: RunRow, now: datetime) -> Event:
    """Return the event that makes the inbound consumer ask for a run. Its id is the same until the run changes."""
    # The key of a report is made from the external id. A run without one must not share a lane with all others.
    received = InboundReceived(
        spoke=row.spoke,
        external_id=row.external_id or row.run_id,
        channel=Channel.POLL,
        received_at=now,
        content_type=CHECK_CONTENT_TYPE,
        body=b"",
    )
    return Event(headers=EventHeaders(id=_check_id(row), time=now, subject=row.run_id), data=received)


def is_outdated(event: Event, row: RunRow) -> bool:
    """Return whether a run has changed since its check was published."""
    return event.id != _check_id(row)


def _check_id(row: RunRow) -> str:
    return derive_event_id(row.run_id, f"check:{row.revision}")
