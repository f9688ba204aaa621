"""Decide recorded events again, by a draft and by what decides now, and tally the difference."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice, starmap
from typing import TYPE_CHECKING

from router.selection.backtest import BacktestTally, RouteChange, RouteVerdicts, SkippedEvent
from router.selection.facts import facts_of
from router.selection.load import decide_by, table_of
from router.selection.needed_fields import wanted_by
from schemas.codec.errors import UndecodableError
from schemas.codec.projection import PartialEventReader
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.selection.load import Loaded
    from router.tables.facts import Facts
    from schemas.codec.projection import PartialEvent
    from schemas.codec.schema_registry import RegistryIds

AT_ONCE = 32  # events; of more, what was read has left the caches before it is decided on
KEPT = 8_192  # changes, by what the tables read of a run; most runs are decided as one before them was

Headers = Iterable[tuple[str, bytes | None]] | None


class BacktestDecider:
    """Takes the values of the lifecycle topic; `tally` has the counts so far.

    Definitions that are used up are not known here: the first that matches is taken.
    """

    def __init__(self, *, now: Loaded, draft: Loaded, most: int, registry: RegistryIds | None = None) -> None:
        self.tally = BacktestTally(most=most)
        self._reader = PartialEventReader(wanted_by(table_of(now), table_of(draft)), registry)
        self._now, self._draft = decide_by(now), decide_by(draft)
        self._verdicts = RouteVerdicts(), RouteVerdicts()
        self._changes: dict[bytes, RouteChange] = {}

    def take(self, events: Iterable[tuple[bytes | None, Headers]]) -> None:
        """Decide on events again, or count them aside; an event is a value with its headers."""
        events = iter(events)
        while some := list(islice(events, AT_ONCE)):
            self._take(some)

    def _take(self, events: Sequence[tuple[bytes | None, Headers]]) -> None:
        # Each step is done for all of them: where steps take turns, a core needs half as much time again for each.
        requests = [(part, part.sameness) for part in starmap(self._request, events) if part]
        changes = [self._changes.get(sameness) if sameness else None for _, sameness in requests]
        fresh = [request for request, change in zip(requests, changes, strict=True) if change is None]
        decided = iter(self._decided([part for part, _ in fresh]))
        for (part, sameness), known in zip(requests, changes, strict=True):
            change = known or next(decided)
            if change is None:
                self.tally.asides[SkippedEvent.UNREADABLE] += 1
                continue
            self.tally.count(change, part.run_id)
            if known is None and sameness:
                self._keep(sameness, change)

    def _request(self, value: bytes | None, headers: Headers) -> PartialEvent | None:
        """Read a request of a root; everything else is counted aside."""
        try:
            part = self._reader.read(value, headers)
        except UndecodableError:
            self.tally.asides[SkippedEvent.UNREADABLE] += 1
            return None
        if part.kind is RunRequested and not part.is_child:
            return part
        self.tally.asides[_ASIDES.get(part.kind, SkippedEvent.FOREIGN)] += 1
        return None

    def _decided(self, parts: Sequence[PartialEvent]) -> list[RouteChange | None]:
        """Decide on requests by both tables; None for one that cannot be read after all."""
        facts = [self._facts(part) for part in parts]
        now, draft = self._verdicts
        by_now = [now.of(self._now(one)) if one else None for one in facts]
        by_draft = [draft.of(self._draft(one)) if one else None for one in facts]
        return [RouteChange(one, other) if one and other else None for one, other in zip(by_now, by_draft, strict=True)]

    def _facts(self, part: PartialEvent) -> Facts | None:
        try:
            return facts_of(self._reader.document(part))
        except UndecodableError:
            return None

    def _keep(self, sameness: bytes, change: RouteChange) -> None:
        if len(self._changes) >= KEPT:
            self._changes.clear()
        self._changes[sameness] = change


_ASIDES = {RunRequested: SkippedEvent.CHILD, RunChanged: SkippedEvent.PINNED, RunCancelled: SkippedEvent.PINNED}
