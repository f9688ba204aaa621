"""Decide which of the saves that share a transaction may be written, as if each had come alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, cast

from consumers.store.port import ConflictError, ThresholdReachedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from consumers.store.row_mapping import ColumnValues, MomentFormat
    from consumers.store.statements import Statements
    from router.selection.thresholds import ThresholdUse

    CounterKey = tuple[str, datetime]  # a definition, and the start of one of its windows
    Refusal = ConflictError | ThresholdReachedError


NO_USES: Mapping[CounterKey, int] = MappingProxyType({})


class RunWrite(NamedTuple):
    """A run as one save writes it; columns ready for the database."""

    run_id: str
    revision: int
    spoke: str
    external_id: str | None
    values: ColumnValues
    measures: Sequence[ColumnValues]
    replaced: Sequence[ColumnValues] = ()


class Save(NamedTuple):
    """What one caller writes, together or not at all, in this order."""

    runs: tuple[RunWrite, ...]
    requests: tuple[ColumnValues, ...]
    uses: tuple[ThresholdUse, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRevision:
    """What the database has of a run before the transaction."""

    revision: int
    measure_count: int


@dataclass(slots=True)
class WritePlan:
    """What one transaction writes: of each run only its last revision."""

    new: dict[str, RunWrite] = field(default_factory=dict)
    changed: dict[str, RunWrite] = field(default_factory=dict)
    requests: list[ColumnValues] = field(default_factory=list)
    use_counts: Counter[CounterKey] = field(
        default_factory=Counter
    )  # uses to add, by definition and start of the window
    results: list[Refusal | None] = field(default_factory=list)  # one per save, in order

    @property
    def runs(self) -> Iterable[RunWrite]:
        """Return every run that is written."""
        yield from self.new.values()
        yield from self.changed.values()


def plan_writes(
    saves: Sequence[Save], stored: Mapping[str, StoredRevision], uses: Mapping[CounterKey, int] = NO_USES
) -> WritePlan:
    """Plan the saves in order; one that conflicts or has no free use gets its error and changes nothing.

    `uses` are those that windows have already. A conflict is reported first: what is stored was counted when it was
    stored.
    """
    plan = WritePlan()
    revisions = {run_id: run.revision for run_id, run in stored.items()}
    for save in saves:
        refusal = _find_conflict(save, revisions) or _threshold_reached(save, uses, plan.use_counts)
        plan.results.append(refusal)
        if refusal is None:
            _add(plan, save, stored)
            revisions.update((move.run_id, move.revision) for move in save.runs)
    return plan


def _find_conflict(save: Save, revisions: Mapping[str, int]) -> ConflictError | None:
    here: dict[str, int] = {}
    for move in save.runs:
        last = here.get(move.run_id, revisions.get(move.run_id, 0))
        if move.revision != last + 1:
            return ConflictError(
                f"run {move.run_id!r} is at revision {last}, so revision {move.revision} cannot follow:"
                " another consumer updated it; read it again and decide again"
            )
        here[move.run_id] = move.revision
    return None


def _threshold_reached(
    save: Save, uses: Mapping[CounterKey, int], counted: Mapping[CounterKey, int]
) -> ThresholdReachedError | None:
    for use in save.uses:
        place = counter_of(use)
        if uses.get(place, 0) + counted.get(place, 0) >= use.max_uses or _is_deleted_window(use, uses, counted):
            return ThresholdReachedError(use)
    return None


def _is_deleted_window(use: ThresholdUse, *counts: Mapping[CounterKey, int]) -> bool:
    # A process that counts late, because its clock is behind or it paused, may not start a deleted window at 0 again.
    return any(
        more and definition == use.definition and start > use.window.end
        for known in counts
        for (definition, start), more in known.items()
    )


def counter_of(use: ThresholdUse) -> CounterKey:
    """Return the key of the counter of a use."""
    return use.definition, use.window.start


def _add(plan: WritePlan, save: Save, kept: Mapping[str, StoredRevision]) -> None:
    plan.requests.extend(save.requests)
    plan.use_counts.update(map(counter_of, save.uses))
    for move in save.runs:
        (plan.changed if move.run_id in kept else plan.new)[move.run_id] = move


def lock_uses(
    connection: Connection, sql: Statements, saves: Sequence[Save], moments: MomentFormat
) -> Mapping[CounterKey, int]:
    """Return how often each window was used, and lock the counters until this transaction ends."""
    wanted = _used_windows(saves)
    if not wanted:
        return NO_USES
    # Inserted first, so that there is a row to lock; in one order, so that two processes do not deadlock.
    new = [(use.definition, moments.write(use.window.start), moments.write(use.window.end)) for use in wanted.values()]
    connection.exec_driver_sql(sql.open_window, sorted(new))
    found = connection.exec_driver_sql(
        sql.lock_uses, (sql.id_list(sorted({use.definition for use in wanted.values()})),)
    )
    rows = cast("Sequence[ColumnValues]", found.all())
    return {(definition, moments.read(since)): uses for definition, since, _, uses in rows}


def count_uses(
    connection: Connection, sql: Statements, plan: WritePlan, uses: Mapping[CounterKey, int], moments: MomentFormat
) -> None:
    """Write the counts.

    The first use counted in a window deletes the counters of all windows before the previous one.
    """
    if not plan.use_counts:
        return
    places = sorted(
        (definition, moments.write(since), place) for place in plan.use_counts for definition, since in [place]
    )
    connection.exec_driver_sql(sql.count_uses, [(plan.use_counts[at], name, since) for name, since, at in places])
    fresh = [(name, since) for name, since, at in places if not uses[at]]
    if fresh:
        connection.exec_driver_sql(sql.delete_windows, fresh)


def _used_windows(saves: Sequence[Save]) -> Mapping[CounterKey, ThresholdUse]:
    return {counter_of(use): use for save in saves for use in save.uses}
