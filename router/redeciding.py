"""Decide recorded events again, by a draft and by what decides now, and tally the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.backtest import Aside, Change, Tally, Verdicts
from router.facts import facts_of
from router.table_loading import decide_by, table_of
from router.wanted_fields import wanted_by
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.requested_parts import PartReader
from schemas.undecodable import UndecodableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from router.table_loading import Loaded
    from schemas.registry import RegistryIds
    from schemas.requested_parts import Part

KEPT = 65_536  # changes, by what the tables read of a run; most runs are decided as one before them was


class Redecider:
    """Takes the values of the lifecycle topic one by one; `tally` has the counts so far.

    Definitions that are used up are not known here: the first that matches is taken.
    """

    def __init__(self, *, now: Loaded, draft: Loaded, most: int, registry: RegistryIds | None = None) -> None:
        self.tally = Tally(most=most)
        self._reader = PartReader(wanted_by(table_of(now), table_of(draft)), registry)
        self._now, self._draft = decide_by(now), decide_by(draft)
        self._verdicts = Verdicts(), Verdicts()
        self._changes: dict[bytes, Change] = {}

    def take(self, value: bytes | None, headers: Iterable[tuple[str, bytes | None]] | None) -> None:
        """Decide on one event again, or count it aside."""
        try:
            part = self._reader.read(value, headers)
            if part.kind is RunRequested and not part.is_child:
                self.tally.count(self._change(part), part.run_id)
            else:
                self.tally.asides[_ASIDES.get(part.kind, Aside.FOREIGN)] += 1
        except UndecodableError:
            self.tally.asides[Aside.UNREADABLE] += 1

    def _change(self, part: Part) -> Change:
        sameness = part.sameness
        if sameness is None:
            return self._decided(part)
        change = self._changes.get(sameness)
        if change is None:
            if len(self._changes) >= KEPT:
                self._changes.clear()
            change = self._changes[sameness] = self._decided(part)
        return change

    def _decided(self, part: Part) -> Change:
        facts = facts_of(self._reader.document(part))
        now, draft = self._verdicts
        return Change(now.of(self._now(facts)), draft.of(self._draft(facts)))


_ASIDES = {RunRequested: Aside.CHILD, RunChanged: Aside.PINNED, RunCancelled: Aside.PINNED}
