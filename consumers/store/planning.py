"""Sort out which of the saves that share a transaction may be written, as if each had come alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from consumers.store.port import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from consumers.store.rows import Values


class Moved(NamedTuple):
    """A run as one save wants it; columns ready for the database."""

    run_id: str
    revision: int
    spoke: str
    external_id: str | None
    values: Values
    measures: Sequence[Values]


class Save(NamedTuple):
    """What one caller wants written, together or not at all, in this order."""

    moves: tuple[Moved, ...]
    requests: tuple[Values, ...]

    @property
    def weight(self) -> int:
        """How many rows it writes, about; measures count, because they are rows too."""
        return len(self.requests) + sum(1 + len(move.measures) for move in self.moves)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the database has of a run before the transaction."""

    revision: int
    measure_count: int


@dataclass(slots=True)
class Plan:
    """What one transaction writes: of each run only its last revision."""

    new: dict[str, Moved] = field(default_factory=dict)
    changed: dict[str, Moved] = field(default_factory=dict)
    requests: list[Values] = field(default_factory=list)
    answers: list[ConflictError | None] = field(default_factory=list)  # one per save, in order

    @property
    def moves(self) -> Iterable[Moved]:
        """Give every run that is written."""
        yield from self.new.values()
        yield from self.changed.values()


def sort_out(saves: Sequence[Save], kept: Mapping[str, Kept]) -> Plan:
    """Take the saves in order; one that conflicts is answered so and leaves no trace."""
    plan = Plan()
    revisions = {run_id: run.revision for run_id, run in kept.items()}
    for save in saves:
        conflict = _conflict(save, revisions)
        plan.answers.append(conflict)
        if conflict is None:
            _take(plan, save, kept)
            revisions.update((move.run_id, move.revision) for move in save.moves)
    return plan


def _conflict(save: Save, revisions: Mapping[str, int]) -> ConflictError | None:
    here: dict[str, int] = {}
    for move in save.moves:
        last = here.get(move.run_id, revisions.get(move.run_id, 0))
        if move.revision != last + 1:
            return ConflictError(
                f"run {move.run_id!r} is at revision {last}, so revision {move.revision} cannot follow:"
                " somebody else moved it; read it again and decide again"
            )
        here[move.run_id] = move.revision
    return None


def _take(plan: Plan, save: Save, kept: Mapping[str, Kept]) -> None:
    plan.requests.extend(save.requests)
    for move in save.moves:
        (plan.changed if move.run_id in kept else plan.new)[move.run_id] = move
