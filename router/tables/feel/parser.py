"""Parse the tokens of a cell into conditions (DMN 1.5, S-FEEL unary tests)."""

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
    is_empty_interval,
    is_ordered,
)
from router.tables.feel.errors import CellError
from router.tables.feel.lexer import Token, TokenKind
from router.tables.feel.literals import CONVERSION_FUNCTIONS, read_at_literal, read_number, read_string
from router.tables.feel.values import TYPES, ValueKind, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CONSTANTS: dict[str, object] = {"true": True, "false": False, "null": None}
_KEYWORDS = frozenset({"between", "every", "for", "function", "if", "in", "not", "some"})
_END_TOKEN = Token(TokenKind.DASH, "", -1)


class CellParser:
    """Parses one cell from left to right.

    `names` are the other inputs with their types. None accepts any name as a reference.
    """

    def __init__(self, text: str, tokens: list[Token], column_type: str, names: Mapping[str, str] | None) -> None:
        self._text = text
        self._tokens = tokens
        self._type = column_type
        self._names = names
        self._next = 0

    def parse(self) -> tuple[tuple[Condition, ...], bool]:
        """Return the conditions of the cell, and whether they are negated. No conditions match any value.

        Raises:
            CellError: the cell is not an S-FEEL unary test of the column's type.
        """
        if not self._tokens:
            raise CellError('the cell is empty; write "-" for any value')
        if len(self._tokens) == 1 and self._peek().kind is TokenKind.DASH:
            return (), False
        negated = self._starts_with_not()
        conditions = self._negation() if negated else self._conditions()
        self._expect_end()
        return conditions, negated

    def _peek(self, ahead: int = 0) -> Token:
        index = self._next + ahead
        return self._tokens[index] if index < len(self._tokens) else _END_TOKEN

    def _advance(self) -> Token:
        token = self._peek()
        self._next += 1
        return token

    def _accept(self, text: str) -> bool:
        if self._peek().text != text:
            return False
        self._next += 1
        return True

    def _starts_with_not(self) -> bool:
        return self._peek().text == "not" and self._peek(1).text == "("

    def _negation(self) -> tuple[Condition, ...]:
        self._next += 2
        conditions = self._conditions()
        if not self._accept(")"):
            raise CellError(f'"{self._text}": not( is not closed')
        return conditions

    def _expect_end(self) -> None:
        rest = self._peek()
        if rest is _END_TOKEN:
            return
        tail = self._text[rest.offset :]
        raise CellError(f'"{self._text}" is not understood from "{tail}" on; alternatives are separated by commas')

    def _conditions(self) -> tuple[Condition, ...]:
        conditions = [self._condition()]
        while self._accept(","):
            conditions.append(self._condition())
        return tuple(conditions)

    def _condition(self) -> Condition:
        token = self._peek()
        if token.kind is TokenKind.OPERATOR:
            return self._comparison()
        if token.kind is TokenKind.BRACKET and token.text in "[](":
            return self._interval()
        if self._starts_with_not():
            raise CellError(f'"{self._text}": not(…) stands once, around the whole cell')
        return Comparison(Operator.EQUAL, self._operand())

    def _comparison(self) -> Comparison:
        operator = Operator(self._advance().text)
        operand = self._operand()
        if operator not in (Operator.EQUAL, Operator.NOT_EQUAL):
            self._check_order(operand)
        return Comparison(operator, operand)

    def _interval(self) -> Interval:
        opening = self._advance()
        low = self._operand()
        if not self._accept(".."):
            hint = "one is written [1..5], alternatives stand without brackets"
            raise CellError(f'"{self._span(opening)}" is not an interval; {hint}')
        high = self._operand()
        if self._peek().kind is not TokenKind.BRACKET or self._peek().text == "(":
            raise CellError(f'interval "{self._span(opening)}" is not closed')
        interval = Interval(low, opening.text == "[", high, self._advance().text == "]")
        self._check_interval(interval, self._span(opening))
        return interval

    def _span(self, opening: Token) -> str:
        last = self._tokens[min(self._next, len(self._tokens)) - 1]
        return self._text[opening.offset : last.offset + len(last.text)]

    def _check_interval(self, interval: Interval, span: str) -> None:
        self._check_order(interval.low)
        self._check_order(interval.high)
        match interval:
            case Interval(Literal() as low, low_in, Literal() as high, high_in):
                _check_endpoints(low, high, span, includes_both=low_in and high_in)
            case _:
                pass

    def _check_order(self, operand: Operand) -> None:
        if isinstance(operand, Literal) and not is_ordered(operand.value):
            raise CellError(f'"{self._text}": {operand.text} is neither greater nor smaller than anything')

    def _operand(self) -> Operand:
        token = self._advance()
        read = _LITERAL_READERS.get(token.kind)
        if read is not None:
            return self._literal(read(token.text), token.text)
        if token.kind is not TokenKind.NAME:
            raise CellError(self._missing_value_problem(token))
        if self._peek().text == "(":
            return self._function_invocation(token)
        if token.text in _CONSTANTS:
            return self._literal(_CONSTANTS[token.text], token.text)
        return self._name(token.text)

    def _missing_value_problem(self, token: Token) -> str:
        if token is _END_TOKEN:
            return f'"{self._text}" ends where a value is expected'
        hint = f"; the comparisons are {', '.join(Operator)}" if token.kind is TokenKind.OPERATOR else ""
        return f'"{self._text}": a value is expected where "{token.text}" stands{hint}'

    def _function_invocation(self, function: Token) -> Literal:
        reader = CONVERSION_FUNCTIONS.get(" ".join(function.text.split()))
        if reader is None:
            raise CellError(f'"{function.text}(" is a function; cells take none but date, time and duration')
        self._next += 1
        argument = self._advance()
        if argument.kind is not TokenKind.STRING or not self._accept(")"):
            raise CellError(f'{function.text}(…) takes one string in quotes: "{self._span(function)}"')
        return self._literal(reader(read_string(argument.text)), self._span(function))

    def _literal(self, value: object, text: str) -> Literal:
        kind = kind_of(value)
        if kind is not ValueKind.NULL and kind not in TYPES[self._type]:
            hint = f'; write "{text}" in double quotes' if self._type == "string" else ""
            raise CellError(f"{text} is {kind.value}, the column takes {self._type}{hint}")
        return Literal(value, text)

    def _name(self, text: str) -> InputReference:
        name = text if text in (self._names or ()) else " ".join(text.split())
        if self._names is None:
            return _undeclared_reference(name)
        if name not in self._names:
            raise CellError(f'unknown name "{name}"; {_suggestion(name) or _other_inputs(self._names)}')
        other = self._names[name]
        if "any" not in (other, self._type) and other != self._type:
            raise CellError(f'input "{name}" is of type {other}, the column takes {self._type}')
        return InputReference(name)


def _undeclared_reference(name: str) -> InputReference:
    first = name.partition(" ")[0]
    if first in _KEYWORDS:
        raise CellError(f'"{name}" starts with the keyword "{first}"; a cell takes no expression')
    return InputReference(name)


def _check_endpoints(low: Literal, high: Literal, span: str, *, includes_both: bool) -> None:
    if kind_of(low.value) is not kind_of(high.value):
        raise CellError(f'interval "{span}" has ends of different types')
    if is_empty_interval(low, high, includes_both=includes_both):
        raise CellError(f'interval "{span}" is empty: nothing lies in it')


def _suggestion(name: str) -> str:
    return f"did you mean {name.lower()}?" if name.lower() in _CONSTANTS else ""


def _other_inputs(names: Mapping[str, str]) -> str:
    if not names:
        return "there is no other input"
    return f"the other inputs are {', '.join(sorted(names))}"


def _read_at(text: str) -> object:
    return read_at_literal(read_string(text[1:]))


_LITERAL_READERS: dict[TokenKind, Callable[[str], object]] = {
    TokenKind.NUMBER: read_number,
    TokenKind.STRING: read_string,
    TokenKind.AT_LITERAL: _read_at,
}
