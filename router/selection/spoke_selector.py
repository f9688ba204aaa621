"""Choose the external system for a run: the first request definition that matches and is not used up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from router.tables.decision import Decision, Undecided
from router.tables.hit_policy import UndecidedReason

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from datetime import timedelta

    from router.tables.facts import Facts
    from router.tables.model import Row
    from router.tables.table import DecisionTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """How often a definition may be used in a period."""

    max: int
    period: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokeSelector:
    """Request definitions: the rows of `table` are the active ones, by order; `inactive` take no part.

    `orders` and `thresholds` are by row id.
    """

    table: DecisionTable
    orders: Mapping[str, int]
    thresholds: Mapping[str, Threshold]
    inactive: tuple[Row, ...] = ()


class SelectionReason(StrEnum):
    """Why a selector chose nothing although rows match; the value is the stable code of the problem."""

    ALL_USED_UP = "ALL_USED_UP"  # every matching definition has reached its threshold: wait


@dataclass(frozen=True, slots=True, kw_only=True)
class AllUsedUp(Undecided):
    """Every row that matches has reached its threshold."""

    @property
    def sentence(self) -> str:
        """What happened and what to do, in one sentence."""
        matching = ", ".join(row.id for row in self.rows)
        table = f"{self.table.id}@{self.table.version}"
        return f"every matching row of {table} ({matching}) is used up: wait or raise a threshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenSpoke:
    """The spoke for a run. `threshold` is what the use of this definition counts against."""

    spoke: str
    decision: Decision
    threshold: Threshold | None


def choose_spoke(
    selector: SpokeSelector, facts: Facts, used_up: Container[str] = frozenset()
) -> ChosenSpoke | Undecided:
    """Choose the first active definition that matches and is not used up; `used_up` has row ids."""
    decision = decide_selector(selector, facts, used_up)
    if isinstance(decision, Undecided):
        return decision
    return ChosenSpoke(
        spoke=str(decision.outputs["spoke"]),
        decision=decision,
        threshold=selector.thresholds.get(decision.row.id),
    )


def decide_selector(
    selector: SpokeSelector, facts: Facts, used_up: Container[str] = frozenset()
) -> Decision | Undecided:
    """Decide as `choose_spoke` does, and return the bare decision."""
    table = selector.table
    values = table.values_of(facts)
    skipped: list[Row] = []
    for row in table.matching_rows(values):
        if row.id not in used_up:
            return Decision(table=table, row=row, values=values, skipped=tuple(skipped))
        skipped.append(row)
    return _decide_without_row(selector, values, tuple(skipped))


def _decide_without_row(
    selector: SpokeSelector, values: tuple[object, ...], skipped: tuple[Row, ...]
) -> Decision | Undecided:
    table = selector.table
    # A default is for runs that no definition matches, not for runs that wait for a used-up one.
    if skipped:
        return AllUsedUp(table=table, values=values, reason=SelectionReason.ALL_USED_UP, rows=skipped)
    if table.default is not None:
        return Decision(table=table, row=table.default, values=values)
    reason = UndecidedReason.NO_ROW_MATCHES
    return Undecided(table=table, values=values, reason=reason, inactive_rows=selector.inactive)
