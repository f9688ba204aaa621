"""Read one cell of a decision table, and say whether a value fits it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from router.tables.feel.conditions import NO_INPUTS, Comparison, InputReference, Interval, Literal, check_for
from router.tables.feel.errors import CellError
from router.tables.feel.lexer import cut, without_comments
from router.tables.feel.parser import CellParser
from router.tables.feel.values import TYPES, Months, canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.tables.feel.conditions import Condition, Holds, Inputs, Operand


@dataclass(frozen=True, slots=True)
class Cell:
    """What one input must be in one row. No conditions: anything fits.

    `holds` takes a canonical value; it is what the hot path calls. `matches` takes any value.
    """

    text: str
    type: str
    conditions: tuple[Condition, ...] = ()
    negated: bool = False
    holds: Holds = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "holds", check_for(self.conditions, negated=self.negated))

    def matches(self, value: object, inputs: Inputs = NO_INPUTS) -> bool:
        """Say whether a value fits; `inputs` are the values by input name, for cells that name one."""
        return self.holds(canonical(value), inputs)

    @property
    def is_any(self) -> bool:
        """Whether every value fits."""
        return not self.conditions

    @property
    def literals(self) -> Iterator[Literal]:
        """The values that the cell compares for equality."""
        for condition in self.conditions:
            match condition:
                case Comparison("=" | "!=", Literal() as literal):
                    yield literal
                case _:
                    pass

    @property
    def operands(self) -> Iterator[Operand]:
        """Every value and name that stands in the cell."""
        for condition in self.conditions:
            yield from _operands(condition)

    @property
    def names(self) -> frozenset[str]:
        """The other inputs that the cell looks at."""
        return frozenset(operand.text for operand in self.operands if isinstance(operand, InputReference))


def _operands(condition: Condition) -> tuple[Operand, ...]:
    if isinstance(condition, Interval):
        return condition.low, condition.high
    return (condition.operand,)


def parse(text: str, type: str, names: Mapping[str, str] | None = None) -> Cell:  # noqa: A002 - the word of tables
    """Read a cell: an S-FEEL unary test (DMN 1.5 §9).

    Args:
        text: what stands in the cell, strings in double quotes.
        type: one of string, number, boolean, date, time, datetime, days-duration, months-duration, any.
        names: the other inputs with their types; None takes every name that could be one.

    Raises:
        CellError: the text is not in the grammar, or does not fit the type.
    """
    if type not in TYPES:
        raise CellError(f'there is no type "{type}"; the types are {", ".join(TYPES)}')
    text = without_comments(text, names or ())
    conditions, negated = CellParser(text, cut(text, names or ()), type, names).parse()
    return Cell(text.strip(), type, conditions, negated)


__all__ = ["Cell", "CellError", "Months", "parse"]
