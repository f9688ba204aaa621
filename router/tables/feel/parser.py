"""Turn the pieces of a cell into conditions (DMN 1.5, S-FEEL unary tests), refusing everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.feel.conditions import (
    Comparison,
    Condition,
    InputReference,
    Interval,
    Literal,
    Operand,
    Operator,
    check_is_ordered,
    is_empty,
)
from router.tables.feel.errors import CellError
from router.tables.feel.lexer import Token, TokenKind
from router.tables.feel.literals import READERS, read_at, read_number, read_string
from router.tables.feel.values import TYPES, ValueKind, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_WORDS: dict[str, object] = {"true": True, "false": False, "null": None}
_KEYWORDS = frozenset({"between", "every", "for", "function", "if", "in", "not", "some"})
_END = Token(TokenKind.DASH, "", -1)


class CellParser:
    """Reads one cell from left to right.

    `names` are the other inputs with their types; None takes any name.
    """

    def __init__(self, text: str, pieces: list[Token], column_type: str, names: Mapping[str, str] | None) -> None:
        self._text = text
        self._pieces = pieces
        self._type = column_type
        self._names = names
        self._next = 0

    def parse(self) -> tuple[tuple[Condition, ...], bool]:
        """Read the conditions of the cell, and whether they are negated; none at all means any value."""
        if not self._pieces:
            raise CellError('the cell is empty; write "-" for any value')
        if len(self._pieces) == 1 and self._peek().token is TokenKind.DASH:
            return (), False
        negated = self._starts_with_not()
        conditions = self._negated() if negated else self._conditions()
        self._expect_end()
        return conditions, negated

    def _peek(self, ahead: int = 0) -> Token:
        place = self._next + ahead
        return self._pieces[place] if place < len(self._pieces) else _END

    def _take(self) -> Token:
        piece = self._peek()
        self._next += 1
        return piece

    def _take_if(self, text: str) -> bool:
        if self._peek().text != text:
            return False
        self._next += 1
        return True

    def _starts_with_not(self) -> bool:
        return self._peek().text == "not" and self._peek(1).text == "("

    def _negated(self) -> tuple[Condition, ...]:
        self._next += 2
        conditions = self._conditions()
        if not self._take_if(")"):
            raise CellError(f'"{self._text}": not( is not closed')
        return conditions

    def _expect_end(self) -> None:
        rest = self._peek()
        if rest is _END:
            return
        tail = self._text[rest.at :]
        raise CellError(f'"{self._text}" is not understood from "{tail}" on; alternatives are parted by commas')

    def _conditions(self) -> tuple[Condition, ...]:
        conditions = [self._condition()]
        while self._take_if(","):
            conditions.append(self._condition())
        return tuple(conditions)

    def _condition(self) -> Condition:
        piece = self._peek()
        if piece.token is TokenKind.OPERATOR:
            return self._comparison()
        if piece.token is TokenKind.BRACKET and piece.text in "[](":
            return self._interval()
        if self._starts_with_not():
            raise CellError(f'"{self._text}": not(…) stands once, around the whole cell')
        return Comparison(Operator.EQUAL, self._operand())

    def _comparison(self) -> Comparison:
        how = Operator(self._take().text)
        operand = self._operand()
        if how not in (Operator.EQUAL, Operator.DIFFERENT):
            self._check_order(operand)
        return Comparison(how, operand)

    def _interval(self) -> Interval:
        opening = self._take()
        low = self._operand()
        if not self._take_if(".."):
            hint = "one is written [1..5], alternatives stand without brackets"
            raise CellError(f'"{self._span(opening)}" is not an interval; {hint}')
        high = self._operand()
        if self._peek().token is not TokenKind.BRACKET or self._peek().text == "(":
            raise CellError(f'interval "{self._span(opening)}" is not closed')
        interval = Interval(low, opening.text == "[", high, self._take().text == "]")
        self._check_interval(interval, self._span(opening))
        return interval

    def _span(self, opening: Token) -> str:
        last = self._pieces[min(self._next, len(self._pieces)) - 1]
        return self._text[opening.at : last.at + len(last.text)]

    def _check_interval(self, interval: Interval, span: str) -> None:
        self._check_order(interval.low)
        self._check_order(interval.high)
        match interval:
            case Interval(Literal() as low, low_in, Literal() as high, high_in):
                _check_ends(low, high, span, both_in=low_in and high_in)
            case _:
                pass

    def _check_order(self, operand: Operand) -> None:
        if isinstance(operand, Literal) and not check_is_ordered(operand.value):
            raise CellError(f'"{self._text}": {operand.text} is neither greater nor smaller than anything')

    def _operand(self) -> Operand:
        piece = self._take()
        read = _LITERALS.get(piece.token)
        if read is not None:
            return self._literal(read(piece.text), piece.text)
        if piece.token is not TokenKind.NAME:
            raise CellError(self._value_missing(piece))
        if self._peek().text == "(":
            return self._call(piece)
        if piece.text in _WORDS:
            return self._literal(_WORDS[piece.text], piece.text)
        return self._name(piece.text)

    def _value_missing(self, piece: Token) -> str:
        if piece is _END:
            return f'"{self._text}" ends where a value is expected'
        hint = f"; the comparisons are {', '.join(Operator)}" if piece.token is TokenKind.OPERATOR else ""
        return f'"{self._text}": a value is expected where "{piece.text}" stands{hint}'

    def _call(self, function: Token) -> Literal:
        reader = READERS.get(" ".join(function.text.split()))
        if reader is None:
            raise CellError(f'"{function.text}(" is a function; cells take none but date, time and duration')
        self._next += 1
        argument = self._take()
        if argument.token is not TokenKind.STRING or not self._take_if(")"):
            raise CellError(f'{function.text}(…) takes one string in quotes: "{self._span(function)}"')
        return self._literal(reader(read_string(argument.text)), self._span(function))

    def _literal(self, value: object, text: str) -> Literal:
        kind = kind_of(value)
        if kind is not ValueKind.NULL and kind not in TYPES[self._type]:
            hint = f'; write "{text}" in double quotes' if self._type == "string" else ""
            raise CellError(f"{text} is {kind.value}, the column takes {self._type}{hint}")
        return Literal(value, text)

    def _name(self, written: str) -> InputReference:
        name = written if written in (self._names or ()) else " ".join(written.split())
        if self._names is None:
            return _undeclared(name)
        if name not in self._names:
            raise CellError(f'unknown name "{name}"; {_meant(name) or _known(self._names)}')
        other = self._names[name]
        if "any" not in (other, self._type) and other != self._type:
            raise CellError(f'input "{name}" is of type {other}, the column takes {self._type}')
        return InputReference(name)


def _undeclared(name: str) -> InputReference:
    first = name.partition(" ")[0]
    if first in _KEYWORDS:
        raise CellError(f'"{name}" starts with the keyword "{first}"; a cell takes no expression')
    return InputReference(name)


def _check_ends(low: Literal, high: Literal, span: str, *, both_in: bool) -> None:
    if kind_of(low.value) is not kind_of(high.value):
        raise CellError(f'interval "{span}" has ends of different types')
    if is_empty(low, high, both_in=both_in):
        raise CellError(f'interval "{span}" is empty: nothing lies in it')


def _meant(name: str) -> str:
    return f"did you mean {name.lower()}?" if name.lower() in _WORDS else ""


def _known(names: Mapping[str, str]) -> str:
    if not names:
        return "there is no other input"
    return f"the other inputs are {', '.join(sorted(names))}"


def _read_at(text: str) -> object:
    return read_at(read_string(text[1:]))


_LITERALS: dict[TokenKind, Callable[[str], object]] = {
    TokenKind.NUMBER: read_number,
    TokenKind.STRING: read_string,
    TokenKind.AT: _read_at,
}
