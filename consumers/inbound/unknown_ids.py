"""Limit the time, and the number of external ids, for which reports about unknown runs wait."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

MAX_IDS = 1_000  # of one spoke, for which reports wait at a time
MAX_GAP = timedelta(
    seconds=30
)  # between two look-ups of one search; after a longer one, such as an outage, it begins anew
FORGOTTEN_AFTER = timedelta(seconds=60)  # without a look-up: its partition has moved to another worker


class _LookUps(NamedTuple):
    """The number of look-ups of an id in the run store, and the times of the first and the last one."""

    times: int
    since: datetime
    at: datetime


@dataclass(slots=True)
class _SpokeIds:
    """The unknown ids of one spoke, in the order of their last look-ups."""

    waiting: dict[str, _LookUps] = field(default_factory=dict)
    given_up: dict[str, _LookUps] = field(default_factory=dict)


class UnknownIds:
    """The external ids for which the reports of one worker wait.

    All reports about one id share its look-ups: a later report is looked up once if an earlier one has waited. Only
    look-ups that the run store answered count. While it is away, no command can store the id of its run either.
    """

    def __init__(self, max_ids: int = MAX_IDS) -> None:
        self._max_ids = max_ids
        self._spokes: dict[str, _SpokeIds] = {}

    def count_look_up(self, spoke: str, external_id: str, now: datetime) -> int | None:
        """Record a look-up that did not find an id; return the number of its look-ups, or None if too many ids wait."""
        ids = self._spokes.setdefault(spoke, _SpokeIds())
        before = _unless_interrupted(ids.waiting.pop(external_id, None), now)
        before = before or ids.given_up.get(external_id) or _LookUps(0, now, now)
        if len(ids.waiting) >= self._max_ids:
            _forget_old(ids.waiting, now)
        if len(ids.waiting) >= self._max_ids:
            return None
        ids.given_up.pop(external_id, None)
        ids.waiting[external_id] = _LookUps(before.times + 1, before.since, now)
        return before.times + 1

    def searched_for(self, spoke: str, external_id: str) -> timedelta:
        """Return the time between the first and the last look-up of an id that reports wait for."""
        look_ups = self._spokes[spoke].waiting[external_id]
        return look_ups.at - look_ups.since

    def give_up(self, spoke: str, external_id: str) -> None:
        """Record that no report waits for an id any more."""
        ids = self._spokes[spoke]
        ids.given_up[external_id] = ids.waiting.pop(external_id)
        if len(ids.given_up) > self._max_ids:
            del ids.given_up[next(iter(ids.given_up))]

    def forget(self, spoke: str, external_id: str | None) -> None:
        """Forget an id that a look-up has found."""
        ids = self._spokes.get(spoke)
        if ids is not None and external_id is not None:
            ids.waiting.pop(external_id, None)
            ids.given_up.pop(external_id, None)


def _unless_interrupted(look_ups: _LookUps | None, now: datetime) -> _LookUps | None:
    return look_ups if look_ups is not None and now - look_ups.at <= MAX_GAP else None


def _forget_old(waiting: dict[str, _LookUps], now: datetime) -> None:
    while waiting:
        external_id, look_ups = next(iter(waiting.items()))
        if now - look_ups.at < FORGOTTEN_AFTER:
            return
        del waiting[external_id]
