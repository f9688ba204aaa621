"""Limit the time, and the number of external ids, for which reports about unknown runs wait."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

MAX_IDS = 1_000  # of one spoke, for which reports wait at a time
FORGOTTEN_AFTER = timedelta(seconds=60)  # without a look-up: its partition has moved to another worker


class _LookUps(NamedTuple):
    """The number of look-ups of an id in the run store, and the time of the last one."""

    times: int
    at: datetime


@dataclass(slots=True)
class _SpokeIds:
    """The unknown ids of one spoke, in the order of their last look-ups."""

    waiting: dict[str, _LookUps] = field(default_factory=dict)
    given_up: dict[str, _LookUps] = field(default_factory=dict)


class UnknownIds:
    """The external ids for which the reports of one worker wait.

    All reports about one id share its look-ups: a later report is looked up once if an earlier one has waited.
    """

    def __init__(self, max_ids: int = MAX_IDS) -> None:
        self._max_ids = max_ids
        self._spokes: dict[str, _SpokeIds] = {}

    def count_look_up(self, spoke: str, external_id: str, now: datetime) -> int | None:
        """Record a look-up that did not find an id; return the number of its look-ups, or None if too many ids wait."""
        ids = self._spokes.setdefault(spoke, _SpokeIds())
        before = ids.waiting.pop(external_id, None) or ids.given_up.get(external_id) or _LookUps(0, now)
        if len(ids.waiting) >= self._max_ids:
            _forget_old(ids.waiting, now)
        if len(ids.waiting) >= self._max_ids:
            return None
        ids.given_up.pop(external_id, None)
        ids.waiting[external_id] = _LookUps(before.times + 1, now)
        return before.times + 1

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


def _forget_old(waiting: dict[str, _LookUps], now: datetime) -> None:
    while waiting:
        external_id, asked = next(iter(waiting.items()))
        if now - asked.at < FORGOTTEN_AFTER:
            return
        del waiting[external_id]
