"""What an analysis finds in a table: rows that overlap, rows that nothing reaches, values that no row takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Two rows that both match at `example`.

    `nested`: one of them takes all that the other takes, as a rule and its exception do.
    """

    rows: tuple[str, str]
    same_outputs: bool
    nested: bool
    where: str
    example: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlaps:
    """The pairs that matter most, and how many there are: `partly` neither nested nor alike, `differing` in outputs."""

    pairs: tuple[Overlap, ...]
    partly: int
    differing: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """A row that never decides: the rows of `covered_by` above it take all that it takes; none: it takes nothing.

    `except_lists`: inputs that may be lists, by which a run could still reach it.
    """

    row: str
    covered_by: tuple[str, ...]
    except_lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Values that no row takes. `share`: how much of the table's classes of values, from 0 to 1."""

    where: str
    example: Mapping[str, object]
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What is wrong with a table, worth a look, or good to know; each sentence names the rows.

    Attributes:
        overlaps: pairs of rows, those that matter most first; not more than were asked for.
        overlap_count: how many pairs there are.
        unreachable: rows that no single values reach; under policy first only, elsewhere those that take nothing.
        gaps: what no row takes, the largest first; not more than were asked for.
        unchecked: what could not be checked, and why; empty if everything was.
        errors: sentences for which a table should not be published.
        warnings: sentences that somebody should read before.
        notes: sentences that are good to know.
    """

    overlaps: tuple[Overlap, ...]
    overlap_count: int
    unreachable: tuple[Unreachable, ...]
    gaps: tuple[Gap, ...]
    unchecked: str
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether everything was checked."""
        return not self.unchecked
