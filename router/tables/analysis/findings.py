"""The findings of an analysis: overlapping rows, unreachable rows, and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Two rows that both match; `where` describes the shared values, and `example` is one of them.

    `nested`: one of the rows accepts everything that the other accepts, like a rule and its exception.
    """

    rows: tuple[str, str]
    same_outputs: bool
    nested: bool
    where: str
    example: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlaps:
    """The most important overlaps, and the number of all of them.

    `differing_count` of them have different outputs; `partial_count` of these are not nested either.
    """

    pairs: tuple[Overlap, ...]
    partial_count: int
    differing_count: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreachableRow:
    """A row that never decides.

    The rows of `covered_by`, above it, together accept everything that it accepts; if there are none, it accepts no
    value. `list_inputs` are inputs that may be lists, through which values could still reach the row.
    """

    row: str
    covered_by: tuple[str, ...]
    list_inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Values that no row accepts. `share` is their share of the table's value classes, from 0 to 1."""

    where: str
    example: Mapping[str, object]
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """The result of an analysis. Each sentence names the rows.

    Attributes:
        overlaps: pairs of rows, the most important first, up to the requested number.
        overlap_count: the number of all pairs.
        unreachable: rows that no single value reaches; under policies other than first, only rows that accept no value.
        gaps: values that no row accepts, the largest gaps first, up to the requested number.
        unchecked: what could not be checked, and why; empty if everything was checked.
        errors: sentences that should prevent a table from being published.
        warnings: sentences to read before a table is published.
        notes: sentences for information.
    """

    overlaps: tuple[Overlap, ...]
    overlap_count: int
    unreachable: tuple[UnreachableRow, ...]
    gaps: tuple[Gap, ...]
    unchecked: str
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether everything was checked."""
        return not self.unchecked
