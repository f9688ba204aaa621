"""Parse a regular expression: characters, classes, groups, alternatives, repetitions and anchors.

There are no back references, no look-around and no flags: they cannot be matched in bounded time, or are not needed.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_PATTERN_LENGTH = 200  # characters
MAX_NESTING = 20  # groups
MAX_REPETITIONS = 100  # that can be counted with {}
_LAST = 0x10FFFF
_SPACES = ((9, 13), (32, 32))
_DIGITS = ((48, 57),)
_WORD = ((48, 57), (65, 90), (95, 95), (97, 122))
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _SPACES}
_CONTROLS = {"t": 9, "n": 10, "r": 13}
_MEANS_ITSELF = frozenset("\\.^$|?*+()[]{}-/&~#%@!\"'`,:;<>=_ ")


class PatternError(ValueError):
    """The expression cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Characters:
    """One character within these ranges of code points, in order."""

    ranges: tuple[tuple[int, int], ...]

    def has(self, character: str) -> bool:
        """Return whether the character is one of them."""
        code = ord(character)
        return any(first <= code <= last for first, last in self.ranges)


@dataclass(frozen=True, slots=True)
class Edge:
    """The start of the text, or its end."""

    is_end: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    parts: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """Any one of them."""

    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A node at least and at most so often; None: without an end."""

    node: Node
    least: int
    most: int | None


Node = Characters | Edge | Sequence | Choice | Repeat
_ANY = Characters(((0, _LAST),))
_NOTHING = Sequence()


def parse_pattern(text: str) -> Node:
    """Parse an expression.

    Raises:
        PatternError: it is too long, or has something else than the above.
    """
    if len(text) > MAX_PATTERN_LENGTH:
        raise PatternError(f"it has more than {MAX_PATTERN_LENGTH} characters")
    reader = _Reader(text)
    node = reader.choice(0)
    if not reader.is_done:
        raise PatternError("a ')' closes no group")
    return node


class _Reader:
    """Reads an expression from its start to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    @property
    def is_done(self) -> bool:
        return self._at == len(self._text)

    def choice(self, depth: int) -> Node:
        if depth > MAX_NESTING:
            raise PatternError(f"groups are nested more than {MAX_NESTING} deep")
        options = [self._sequence(depth)]
        while self._takes("|"):
            options.append(self._sequence(depth))
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while not self.is_done and self._next not in "|)":
            node = self._repeated(self._atom(depth))
            if node != _NOTHING:  # otherwise repeating nothing would take time
                parts.append(node)
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _atom(self, depth: int) -> Node:
        match self._take():
            case "(":
                if self._takes("?") and not self._takes(":"):
                    raise PatternError("look-around and other groups that begin with '(?' are not supported")
                node = self.choice(depth + 1)
                self._expect(")", "a group is not closed")
                return node
            case "[":
                return self._class()
            case ".":
                return _ANY
            case "^" | "$" as edge:
                return Edge(is_end=edge == "$")
            case "\\":
                return Characters(self._escaped())
            case "*" | "+" | "?" | "{" as sign:
                raise PatternError(f"{sign!r} repeats nothing: write \\{sign} for the character")
            case character:
                return Characters(((ord(character), ord(character)),))

    def _repeated(self, node: Node) -> Node:
        found = self._repetition()
        if found is None:
            return node
        if self._repetition() is not None or self._takes("?"):
            raise PatternError("a repetition follows a repetition: put the first one into a group")
        return node if node == _NOTHING else Repeat(node, *found)

    def _repetition(self) -> tuple[int, int | None] | None:
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        for sign, found in simple.items():
            if self._takes(sign):
                return found
        return self._counted() if self._takes("{") else None

    def _counted(self) -> tuple[int, int | None]:
        inside, closed, _ = self._text[self._at :].partition("}")
        first, comma, last = inside.partition(",")
        numbers = [number for number in (first, last) if number]
        if not closed or not first or not all(_is_count(number) for number in numbers):
            raise PatternError(f"a repetition is written as {{2}}, {{2,}} or {{2,5}}, up to {MAX_REPETITIONS}")
        self._at += len(inside) + 1
        most = int(last) if last else None if comma else int(first)
        if most is not None and most < int(first):
            raise PatternError("the numbers of a repetition are in the wrong order")
        return int(first), most

    def _class(self) -> Characters:
        is_negated, ranges = self._takes("^"), list[tuple[int, int]]()
        while not ranges or not self._takes("]"):
            ranges += self._range()
        return Characters(_complement(ranges) if is_negated else tuple(ranges))

    def _range(self) -> tuple[tuple[int, int], ...]:
        first = self._member()
        if len(first) != 1 or first[0][0] != first[0][1] or not self._text.startswith("-", self._at):
            return first
        if self._text.startswith("-]", self._at):
            return first
        self._take()
        last = self._member()
        if len(last) != 1 or last[0][0] != last[0][1] or last[0][0] < first[0][0]:
            raise PatternError("a range of a class has no first and last character in this order")
        return ((first[0][0], last[0][0]),)

    def _member(self) -> tuple[tuple[int, int], ...]:
        if self.is_done:
            raise PatternError("a class of characters is not closed")
        character = self._take()
        return self._escaped() if character == "\\" else ((ord(character), ord(character)),)

    def _escaped(self) -> tuple[tuple[int, int], ...]:
        if self.is_done:
            raise PatternError("it ends with a backslash")
        character = self._take()
        if character in _CLASSES:
            return _CLASSES[character]
        if character.lower() in _CLASSES:
            return _complement(_CLASSES[character.lower()])
        if character in _CONTROLS:
            return ((_CONTROLS[character], _CONTROLS[character]),)
        if character not in _MEANS_ITSELF:
            raise PatternError(f"\\{character} is not supported")
        return ((ord(character), ord(character)),)

    @property
    def _next(self) -> str:
        return self._text[self._at]

    def _take(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def _takes(self, sign: str) -> bool:
        if not self._text.startswith(sign, self._at):
            return False
        self._at += 1
        return True

    def _expect(self, sign: str, otherwise: str) -> None:
        if not self._takes(sign):
            raise PatternError(otherwise)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(MAX_REPETITIONS)) and int(text) <= MAX_REPETITIONS


def _complement(ranges: list[tuple[int, int]] | tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    begin = 0
    for first, last in sorted(ranges):
        if begin < first:
            found.append((begin, first - 1))
        begin = max(begin, last + 1)
    return (*found, (begin, _LAST)) if begin <= _LAST else tuple(found)
