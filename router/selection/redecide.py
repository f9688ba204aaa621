"""Decide recorded events again, by a draft and by the live table, and count the differences."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice, starmap
from typing import TYPE_CHECKING

from router.selection.backtest import BacktestTally, RouteChange, RouteVerdicts, SkippedEvent
from router.selection.facts import facts_of
from router.selection.load import decision_function, table_of
from router.selection.needed_fields import fields_read_by, is_taken_from_specification
from router.specifications.enrichment import apply_specification, find_specification
from schemas.codec.errors import UndecodableError
from schemas.codec.projection import PartialEventReader
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.selection.load import LoadedTable
    from router.tables.facts import Facts
    from schemas.codec.projection import PartialEvent
    from schemas.codec.schema_registry import RegistryIds
    from schemas.run_document import AppliedSpecification

BATCH_SIZE = 32  # events; with more, what was read has left the processor's caches before it is decided on
MAX_CACHED_CHANGES = 8_192  # changes, by what the tables read of a run; most runs are decided like an earlier one

RecordHeaders = Iterable[tuple[str, bytes | None]] | None


def reads_specification(*tables: LoadedTable) -> bool:
    """Return whether a table reads what runs may take from their test specifications."""
    columns = [column for table in tables for column in table_of(table).inputs]
    return any(is_taken_from_specification(column.path or column.name) for column in columns)


class BacktestDecider:
    """Takes the values of the lifecycle topic; `tally` has the counts so far.

    Definitions that are used up are not known here: the first that matches is taken. `specifications` are those that
    runs take from now, which may be others than those with which they were routed.
    """

    def __init__(
        self,
        *,
        current: LoadedTable,
        draft: LoadedTable,
        max_runs: int,
        registry: RegistryIds | None = None,
        specifications: Mapping[str, AppliedSpecification] | None = None,
    ) -> None:
        self.tally = BacktestTally(max_runs=max_runs)
        self._reader = PartialEventReader(fields_read_by(table_of(current), table_of(draft)), registry)
        self._current, self._draft = decision_function(current), decision_function(draft)
        self._specifications = specifications if specifications and reads_specification(current, draft) else None
        self._verdicts = RouteVerdicts(), RouteVerdicts()
        self._changes: dict[bytes, RouteChange] = {}

    def process(self, events: Iterable[tuple[bytes | None, RecordHeaders]]) -> None:
        """Decide on events again, or count them as skipped; an event is a value with its headers."""
        events = iter(events)
        while batch := list(islice(events, BATCH_SIZE)):
            self._decide_batch(batch)

    def _decide_batch(self, events: Sequence[tuple[bytes | None, RecordHeaders]]) -> None:
        # Each step is done for all of them: interleaved steps take half as much time again.
        requests = [(part, part.content_key) for part in starmap(self._read_request, events) if part]
        changes = [self._changes.get(content_key) if content_key else None for _, content_key in requests]
        fresh = [request for request, change in zip(requests, changes, strict=True) if change is None]
        decided = iter(self._decide_parts([part for part, _ in fresh]))
        for (part, content_key), known in zip(requests, changes, strict=True):
            change = known or next(decided)
            if change is None:
                self.tally.skipped[SkippedEvent.UNDECODABLE] += 1
                continue
            self.tally.count(change, part.run_id)
            if known is None and content_key:
                self._keep(content_key, change)

    def _read_request(self, value: bytes | None, headers: RecordHeaders) -> PartialEvent | None:
        """Read the request of a root; everything else is counted as skipped."""
        try:
            part = self._reader.read(value, headers)
        except UndecodableError:
            self.tally.skipped[SkippedEvent.UNDECODABLE] += 1
            return None
        if part.kind is RunRequested and not part.is_child:
            return part
        self.tally.skipped[_SKIPPED_BY_KIND.get(part.kind, SkippedEvent.FOREIGN)] += 1
        return None

    def _decide_parts(self, parts: Sequence[PartialEvent]) -> list[RouteChange | None]:
        """Return the decisions of both tables on requests; None for one that turns out to be unreadable."""
        facts = [self._facts(part) for part in parts]
        current, draft = self._verdicts
        by_current = [current.verdict_of(self._current(run)) if run else None for run in facts]
        by_draft = [draft.verdict_of(self._draft(run)) if run else None for run in facts]
        pairs = zip(by_current, by_draft, strict=True)
        return [RouteChange(old, new) if old and new else None for old, new in pairs]

    def _facts(self, part: PartialEvent) -> Facts | None:
        try:
            document = self._reader.document(part)
        except UndecodableError:
            return None
        if self._specifications is not None:
            found = find_specification(self._specifications, document.test_specification)
            if found is not None:
                # The run's id is not among the wanted fields, because no two requests would be the same with it.
                document = apply_specification(document.model_copy(update={"run_id": part.run_id}), found)
        return facts_of(document)

    def _keep(self, content_key: bytes, change: RouteChange) -> None:
        if len(self._changes) >= MAX_CACHED_CHANGES:
            self._changes.clear()
        self._changes[content_key] = change


_SKIPPED_BY_KIND = {
    RunRequested: SkippedEvent.CHILD,
    RunChanged: SkippedEvent.PINNED,
    RunCancelled: SkippedEvent.PINNED,
}
