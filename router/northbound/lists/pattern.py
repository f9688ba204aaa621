"""Search texts for a regular expression in bounded time.

Python's `re` backtracks: a short expression can keep it busy for ever. Here, all ways to match are followed at once, so
a text costs at most its length times the size of the expression, and the steps of a whole request are counted.
Source: K. Thompson, "Regular Expression Search Algorithm", CACM 11 (1968); R. Cox, "Regular Expression Matching Can Be
Simple And Fast" (2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from router.northbound.lists.pattern_syntax import (
    Characters,
    Choice,
    Edge,
    PatternError,
    Repeat,
    Sequence,
    parse_pattern,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from router.northbound.lists.pattern_syntax import Node

    Places = frozenset[int]

MAX_INSTRUCTIONS = 1_000  # of an expression whose counted repetitions are written out
MAX_STEPS = 2_000_000  # of all expressions of a request; a character of a text is one step at least
_MAX_KEPT = 200_000  # places in the sets that are kept for the next text


class PatternTooCostlyError(Exception):
    """The expressions of a request have taken all steps that it has."""


class PatternBudget:
    """Counts the steps of a request."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Count steps.

        Raises:
            PatternTooCostlyError: there are not so many left.
        """
        self._left -= steps
        if self._left < 0:
            raise PatternTooCostlyError


@dataclass(frozen=True, slots=True)
class _Take:
    """Takes a character and goes on at another place."""

    characters: Characters
    then: int


@dataclass(frozen=True, slots=True)
class _Pass:
    """Goes on at an edge of the text."""

    is_end: bool
    then: int


@dataclass(frozen=True, slots=True)
class _Fork:
    """Goes on at each of these places."""

    targets: tuple[int, ...]


_Instruction = _Take | _Pass | _Fork
_FOUND = 0  # the place at which the whole expression has matched


class Pattern:
    """An expression that is searched for in the texts of one request."""

    def __init__(self, text: str, budget: PatternBudget) -> None:
        """Prepare an expression.

        Raises:
            PatternError: it is no expression, or is too large.
        """
        self._budget = budget
        self._program: list[_Instruction] = [_Fork(())]
        self._start = self._build(parse_pattern(text), _FOUND)
        self._known: dict[tuple[Places, str], Places] = {}
        self._kept = 0

    def is_in(self, text: str) -> bool:
        """Return whether a part of the text matches.

        Raises:
            PatternTooCostlyError: the request has no steps left.
        """
        self._budget.spend(len(text) + 1)
        places = self._reached([self._start], is_start=True, is_end=not text)
        last = len(text) - 1
        for number, character in enumerate(text):
            if _FOUND in places:
                return True
            places = self._after(places, character)
            if number == last:
                places = self._reached(places, is_end=True)
        return _FOUND in places

    def _after(self, places: Places, character: str) -> Places:
        known = self._known.get((places, character))
        if known is not None:
            return known
        self._budget.spend(len(places))
        reached = [self._start]  # a match may begin anywhere
        for place in places:
            instruction = self._program[place]
            if isinstance(instruction, _Take) and instruction.characters.has(character):
                reached.append(instruction.then)
        found = self._reached(reached)
        self._kept += len(found) + 1
        if self._kept > _MAX_KEPT:
            self._known.clear()
            self._kept = len(found) + 1
        self._known[places, character] = found
        return found

    def _reached(self, places: Iterable[int], *, is_start: bool = False, is_end: bool = False) -> Places:
        """Return these places with all that are reached from them without a character."""
        waiting, found = list(places), set[int]()
        while waiting:
            place = waiting.pop()
            if place in found:
                continue
            found.add(place)
            match self._program[place]:
                case _Fork(targets):
                    waiting += targets
                case _Pass(at_end, then) if is_end if at_end else is_start:
                    waiting.append(then)
                case _:
                    pass
        self._budget.spend(len(found))
        return frozenset(found)

    def _build(self, node: Node, then: int) -> int:
        """Append the instructions of a node that is followed by the place `then`; return where it begins."""
        match node:
            case Characters():
                return self._append(_Take(node, then))
            case Edge(is_end):
                return self._append(_Pass(is_end, then))
            case Sequence(parts):
                for part in reversed(parts):
                    then = self._build(part, then)
                return then
            case Choice(options):
                return self._append(_Fork(tuple([self._build(option, then) for option in options])))
            case Repeat():
                return self._build_repeat(node, then)
        assert_never(node)

    def _build_repeat(self, repeat: Repeat, then: int) -> int:
        if repeat.most is None:
            again = self._append(_Fork(()))
            self._program[again] = _Fork((self._build(repeat.node, again), then))
            begin = again
        else:
            begin = then
            for _ in range(repeat.most - repeat.least):
                begin = self._append(_Fork((self._build(repeat.node, begin), then)))
        for _ in range(repeat.least):
            begin = self._build(repeat.node, begin)
        return begin

    def _append(self, instruction: _Instruction) -> int:
        if len(self._program) >= MAX_INSTRUCTIONS:
            raise PatternError(f"it has more than {MAX_INSTRUCTIONS} parts once its repetitions are written out")
        self._program.append(instruction)
        return len(self._program) - 1
