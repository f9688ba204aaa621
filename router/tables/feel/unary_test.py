"""Parse one cell of a decision table, and test values against it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from router.tables.feel.conditions import NO_INPUTS, Comparison, InputReference, Interval, Literal, compile_check
from router.tables.feel.errors import CellError
from router.tables.feel.lexer import strip_comments, tokenize
from router.tables.feel.parser import CellParser
from router.tables.feel.values import TYPES, Months, canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.tables.feel.conditions import CellCheck, Condition, InputContext, Operand


@dataclass(frozen=True, slots=True)
class Cell:
    """The unary test of one input in one row. Without conditions it matches any value.

    `matches` accepts any value. `matches_canonical` accepts only canonical values and saves the conversion.
    """

    text: str
    type: str
    conditions: tuple[Condition, ...] = ()
    negated: bool = False
    matches_canonical: CellCheck = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "matches_canonical", compile_check(self.conditions, negated=self.negated))

    def matches(self, value: object, inputs: InputContext = NO_INPUTS) -> bool:
        """Return whether a value matches; `inputs` are the values by input name, for cells that refer to others."""
        return self.matches_canonical(canonical(value), inputs)

    @property
    def is_any(self) -> bool:
        """Whether every value matches."""
        return not self.conditions

    @property
    def equality_literals(self) -> Iterator[Literal]:
        """The values that the cell compares for equality."""
        for condition in self.conditions:
            match condition:
                case Comparison("=" | "!=", Literal() as literal):
                    yield literal
                case _:
                    pass

    @property
    def operands(self) -> Iterator[Operand]:
        """All values and references in the cell."""
        for condition in self.conditions:
            yield from _operands(condition)

    @property
    def referenced_inputs(self) -> frozenset[str]:
        """The other inputs that the cell refers to."""
        return frozenset(operand.text for operand in self.operands if isinstance(operand, InputReference))


def _operands(condition: Condition) -> tuple[Operand, ...]:
    if isinstance(condition, Interval):
        return condition.low, condition.high
    return (condition.operand,)


def parse(text: str, type: str, names: Mapping[str, str] | None = None) -> Cell:  # noqa: A002 - the term of table files
    """Parse a cell: an S-FEEL unary test (DMN 1.5 §9).

    Args:
        text: the text of the cell, with strings in double quotes.
        type: one of string, number, boolean, date, time, datetime, days-duration, months-duration, any.
        names: the other inputs with their types; None accepts every valid name.

    Raises:
        CellError: the text is not in the grammar, or does not fit the type.
    """
    if type not in TYPES:
        raise CellError(f'there is no type "{type}"; the types are {", ".join(TYPES)}')
    text = strip_comments(text, names or ())
    conditions, negated = CellParser(text, tokenize(text, names or ()), type, names).parse()
    return Cell(text.strip(), type, conditions, negated)


__all__ = ["Cell", "CellError", "Months", "parse"]
