"""A run store in dictionaries for unit tests. It passes the contract suite of the real stores."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from consumers.store.claims.poll_claims import SilentRun
from consumers.store.port import (
    ConflictError,
    ExternalIdTakenError,
    PrunePosition,
    PruneResult,
    ThresholdReachedError,
)
from router.runs.checks.next_check import next_check
from router.runs.request_result import in_request_order, is_over
from router.runs.requests.progress import StateCount
from router.runs.revisions.replacement import replaced_ids
from router.runs.run import RunRow
from router.runs.transitions import COMMANDED_PHASES
from router.selection.thresholds import ThresholdUse, UseCount
from router.timeline.entries import limit_entries
from schemas.vocabulary import Phase
from tests.fakes.specification_store import InMemorySpecifications
from tests.fakes.write_claims import InMemoryWriteClaims

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from consumers.store.claims.poll_claims import PollClaim
    from router.runs.run import RequestRow
    from router.timeline.entries import TimelineEntry


class InMemoryTimelines:
    """Keeps timelines in a dictionary."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[TimelineEntry, ...]] = {}

    async def append(self, entries: Mapping[str, Sequence[TimelineEntry]]) -> None:
        for run_id, added in entries.items():
            self.entries[run_id] = limit_entries((*self.entries.get(run_id, ()), *added))

    async def read(self, run_id: str) -> Sequence[TimelineEntry]:
        return self.entries.get(run_id, ())


class InMemoryRunStore:
    """Keeps rows in dictionaries. Each of `problems` is raised by one of the next saves, which then writes nothing."""

    def __init__(self, *rows: RunRow | RequestRow) -> None:
        self.runs: dict[str, RunRow] = {}
        self.requests: dict[str, RequestRow] = {}
        self.uses: dict[tuple[str, datetime], UseCount] = {}
        self.waiting_queue = InMemoryWaitingQueue(self)
        self.pruning = InMemoryPruning(self)
        self.specifications = InMemorySpecifications()
        self.write_claims = InMemoryWriteClaims()
        self.poll_claims = InMemoryPollClaims(self)
        self.timelines = InMemoryTimelines()
        self.problems: list[Exception] = []
        self.closed = False
        self._store(rows)

    async def run(self, run_id: str) -> RunRow | None:
        return self.runs.get(run_id)

    async def run_to_send(self, run_id: str) -> RunRow | None:
        return self.runs.get(run_id)

    async def run_by_external_id(self, spoke: str, external_id: str) -> RunRow | None:
        return next((r for r in self.runs.values() if (r.spoke, r.external_id) == (spoke, external_id)), None)

    async def own_external_ids(self, spoke: str, external_ids: Collection[str]) -> frozenset[str]:
        rows = [row for row in self.runs.values() if row.spoke == spoke]
        own = {each for row in rows for each in (row.external_id, *replaced_ids(row)) if each is not None}
        return frozenset(own.intersection(external_ids))

    async def run_by_cancel_task(self, spoke: str, task_id: str) -> RunRow | None:
        followed = [row for row in self.runs.values() if row.spoke == spoke and row.cancellation]
        return next((row for row in followed if row.cancellation and row.cancellation.id == task_id), None)

    async def run_of_replaced_test(self, spoke: str, external_id: str) -> RunRow | None:
        found = (row for row in self.runs.values() if row.spoke == spoke and external_id in replaced_ids(row))
        return next(found, None)

    async def runs_of_request(self, request_id: str) -> Sequence[RunRow]:
        return in_request_order([row for row in self.runs.values() if row.request_id == request_id])

    async def has_open_runs(self, request_id: str) -> bool:
        return any(row.request_id == request_id and not is_over(row) for row in self.runs.values())

    async def states_of_request(self, request_id: str) -> Sequence[StateCount]:
        counts = Counter((r.state, r.phase) for r in self.runs.values() if r.request_id == request_id)
        return [StateCount(state, phase, number) for (state, phase), number in counts.items()]

    async def request(self, request_id: str) -> RequestRow | None:
        return self.requests.get(request_id)

    async def save(self, *rows: RunRow | RequestRow | ThresholdUse) -> None:
        if self.problems:
            raise self.problems.pop(0)
        before = dict(self.runs), dict(self.requests), dict(self.uses)
        try:
            # As in SQL, a conflict comes before a use that does not fit.
            for row in sorted(rows, key=lambda row: isinstance(row, ThresholdUse)):
                self._check(row)
                self._store([row])
        except (ConflictError, ThresholdReachedError):
            self.runs, self.requests, self.uses = before
            raise

    async def save_each(
        self, saves: Sequence[Sequence[RunRow | RequestRow | ThresholdUse]]
    ) -> Sequence[Exception | None]:
        return [await self._answer(rows) for rows in saves]

    async def _answer(self, rows: Sequence[RunRow | RequestRow | ThresholdUse]) -> Exception | None:
        try:
            await self.save(*rows)
        except Exception as error:  # noqa: BLE001 - the answer to this one save
            return error
        return None

    async def runs_to_check(self, until: datetime, limit: int, after: RunRow | None = None) -> Sequence[RunRow]:
        dates = [(next_check(row), row.run_id) for row in self.runs.values()]
        due = [(at, run_id) for at, run_id in dates if at is not None and at <= until]
        after_at = next_check(after) if after is not None else None
        last = (after_at, after.run_id) if after is not None and after_at is not None else None
        return [self.runs[run_id] for at, run_id in sorted(due) if last is None or (at, run_id) > last][:limit]

    async def unmoved_runs(
        self, since: datetime, limit: int, after: RunRow | None = None, spoke: str | None = None
    ) -> Sequence[RunRow]:
        unmoved = [
            row
            for row in self.runs.values()
            if row.phase in COMMANDED_PHASES and row.updated_at < since and spoke in {None, row.spoke}
        ]
        ordered = sorted(unmoved, key=_silence_order)
        return [row for row in ordered if after is None or _silence_order(row) > _silence_order(after)][:limit]

    async def pending_runs(self, since: datetime, limit: int) -> Sequence[RunRow]:
        waiting = [r for r in self.runs.values() if r.phase is Phase.CREATED and r.spoke == "" and r.created_at < since]
        return sorted(waiting, key=lambda row: (row.created_at, row.run_id))[:limit]

    async def list_runs(
        self, *, phase: Phase | None = None, spoke: str | None = None, limit: int = 50
    ) -> Sequence[RunRow]:
        chosen = [r for r in self.runs.values() if phase in {None, r.phase} and spoke in {None, r.spoke}]
        return sorted(chosen, key=lambda row: (row.updated_at, row.run_id), reverse=True)[:limit]

    async def ping(self) -> None:
        """Do nothing: dictionaries are always available."""

    async def close(self) -> None:
        self.closed = True

    def _check(self, row: RunRow | RequestRow | ThresholdUse) -> None:
        if isinstance(row, ThresholdUse) and (self._counted(row).uses >= row.max_uses or self._is_expired_window(row)):
            raise ThresholdReachedError(row)
        if not isinstance(row, RunRow):
            return
        known = self.runs.get(row.run_id)
        if (known.revision if known else 0) != row.revision - 1:
            raise ConflictError(f"run {row.run_id!r} was changed by another process")
        for other in self.runs.values():
            same_id = row.external_id is not None and other.external_id == row.external_id
            if same_id and other.spoke == row.spoke and other.run_id != row.run_id:
                raise ExternalIdTakenError(f"run {other.run_id!r} already has {row.external_id!r}")

    def _store(self, rows: Sequence[RunRow | RequestRow | ThresholdUse]) -> None:
        for row in rows:
            if isinstance(row, RunRow):
                self.runs[row.run_id] = row
            elif isinstance(row, ThresholdUse):
                self._count(row)
            else:
                self.requests.setdefault(row.request_id, row)

    def _count(self, use: ThresholdUse) -> None:
        key, count = (use.definition, use.window.start), self._counted(use)
        if not count.uses:
            past = [c for c in self.uses.values() if c.definition == use.definition and c.window.end < use.window.start]
            for expired in past:
                del self.uses[expired.definition, expired.window.start]
        self.uses[key] = replace(count, uses=count.uses + 1)

    def _is_expired_window(self, use: ThresholdUse) -> bool:
        return any(c.definition == use.definition and c.window.start > use.window.end for c in self.uses.values())

    def _counted(self, use: ThresholdUse) -> UseCount:
        none = UseCount(definition=use.definition, window=use.window, uses=0)
        return self.uses.get((use.definition, use.window.start), none)


class InMemoryPollClaims:
    """The claims on polled runs of an in-memory run store."""

    def __init__(self, store: InMemoryRunStore) -> None:
        self.store = store
        self.claims: dict[str, PollClaim] = {}

    async def silent_runs(
        self, spoke: str, since: datetime, at: datetime, limit: int, after: RunRow | None = None
    ) -> Sequence[SilentRun]:
        silent = [row for row in self.store.runs.values() if row.spoke == spoke and _is_silent(row, since)]
        free = sorted((row for row in silent if self._is_free(row.run_id, row.revision, at)), key=_silence_order)
        page = [row for row in free if after is None or _silence_order(row) > _silence_order(after)][:limit]
        return [SilentRun(row, self._answers(row)) for row in page]

    async def claim(self, claims: Sequence[PollClaim], at: datetime) -> frozenset[str]:
        taken = [each for each in claims if self._is_free(each.run_id, each.revision, at)]
        self.claims |= {each.run_id: each for each in taken}
        return frozenset(each.run_id for each in taken)

    async def shorten(self, claims: Sequence[PollClaim], until: datetime) -> None:
        for each in claims:
            known = self.claims.get(each.run_id)
            if known is not None and known.until == each.until:
                self.claims[each.run_id] = replace(known, until=until, answers=0)

    def _is_free(self, run_id: str, revision: int, at: datetime) -> bool:
        known = self.claims.get(run_id)
        return known is None or known.revision < revision or known.until <= at

    def _answers(self, row: RunRow) -> int:
        known = self.claims.get(row.run_id)
        return known.answers if known is not None and known.revision == row.revision else 0


class InMemoryWaitingQueue:
    """The waiting queue of an in-memory run store."""

    def __init__(self, store: InMemoryRunStore) -> None:
        self.store = store

    async def read_counts(self, definitions: Collection[str]) -> Sequence[UseCount]:
        counts = [count for count in self.store.uses.values() if count.definition in definitions]
        return sorted(counts, key=lambda count: (count.definition, count.window.start))

    async def read_lengths(self) -> Mapping[tuple[str, ...], int]:
        return Counter(row.waits_for for row in self.store.runs.values() if _is_waiting(row))

    async def read_first(
        self, waits_for: Collection[tuple[str, ...]], limit: int, after: RunRow | None = None
    ) -> Sequence[RunRow]:
        waiting = [row for row in self.store.runs.values() if _is_waiting(row) and row.waits_for in waits_for]
        ordered = sorted(waiting, key=_waiting_order)
        return [row for row in ordered if after is None or _waiting_order(row) > _waiting_order(after)][:limit]

    async def abandoned(self, since: datetime, limit: int) -> Sequence[RunRow]:
        left = [row for row in self.store.runs.values() if row.waits_for and not _is_waiting(row)]
        return sorted((row for row in left if row.updated_at < since), key=_silence_order)[:limit]


class InMemoryPruning:
    """The pruning of an in-memory run store."""

    def __init__(self, store: InMemoryRunStore) -> None:
        self.store = store

    async def prune(self, before: datetime, limit: int, after: PrunePosition | None = None) -> PruneResult:
        old = sorted((r for r in self.store.runs.values() if is_over(r) and r.updated_at < before), key=_silence_order)
        page = [row for row in old if after is None or _silence_order(row) > after][:limit]
        if not page:
            return PruneResult(0, None)
        deleted = [row for name in dict.fromkeys(r.request_id for r in page) for row in self._delete(name, before)]
        return PruneResult(len(deleted), PrunePosition(page[-1].updated_at, page[-1].run_id))

    def _delete(self, request_id: str, before: datetime) -> Sequence[RunRow]:
        runs = self.store.runs
        family = [row for row in runs.values() if row.request_id == request_id]
        ended = all(is_over(r) and r.updated_at < before and not (next_check(r) or r.waits_for) for r in family)
        if not ended or any(root in runs and not is_over(runs[root]) for root in {r.root_run_id for r in family}):
            return ()
        for row in family:
            del runs[row.run_id]
            self.store.write_claims.delete(row.run_id)
            self.store.poll_claims.claims.pop(row.run_id, None)
            self.store.timelines.entries.pop(row.run_id, None)
        self.store.requests.pop(request_id, None)
        return family


def _is_waiting(row: RunRow) -> bool:
    return bool(row.waits_for) and row.phase is Phase.WAITING


def _waiting_order(row: RunRow) -> tuple[datetime, str]:
    return row.created_at, row.run_id


def _is_silent(row: RunRow, since: datetime) -> bool:
    out = row.phase in {Phase.ACCEPTED, Phase.IN_PROGRESS} and row.external_id is not None
    return out and row.updated_at < since


def _silence_order(row: RunRow) -> tuple[datetime, str]:
    return row.updated_at, row.run_id
