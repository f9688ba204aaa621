"""Cut the text of a cell into its words, and put quotes around bare words where a column allows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING

from router.tables.feel.errors import CellError
from router.tables.feel.literals import quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


# The signs of a FEEL name (DMN 1.5 §10.3.1.2, rules 28 to 30) besides letters and digits: also emoji and accents.
_SIGNS = (
    "\u037f-\u1fff\u200c\u200d\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
NAME_START = rf"(?!\d)[\w{_SIGNS}]"
NAME_PART = rf"[\w{_SIGNS}\u00b7\u0300-\u036f\u203f\u2040]"


class TokenKind(Enum):
    """What a piece of a cell is."""

    COMMENT = r"//[^\r\n]*|/\*.*?\*/"
    AT = r'@"(?:[^"\\]|\\.)*"'
    STRING = r'"(?:[^"\\]|\\.)*"'
    NUMBER = r"-?[ \t]*(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?" rf"(?!{NAME_PART})"
    OPERATOR = r"<=|>=|!=|<|>|="
    DOTS = r"\.\."
    COMMA = r","
    BRACKET = r"[\[\]()]"
    NAME = (
        rf"{NAME_START}{NAME_PART}*"
        rf"(?:(?:\s+(?={NAME_PART})|[.'\u2019/](?={NAME_PART})|-(?={NAME_START})){NAME_PART}+)*"
    )
    DASH = r"-"


@dataclass(frozen=True, slots=True)
class Token:
    """One token with its text and its place."""

    token: TokenKind
    text: str
    at: int


_PIECE = re.compile("|".join(f"(?P<{token.name}>{token.value})" for token in TokenKind), re.DOTALL)
_WORD_GOES_ON = re.compile(rf"{NAME_PART}|[-.'\u2019/](?={NAME_PART})|\s+{NAME_PART}")


def cut(text: str, names: Collection[str]) -> list[Token]:
    """Cut a cell into pieces, without comments; `names` are taken whole wherever they stand.

    Raises:
        CellError: a character has no meaning here, or a quote is not closed.
    """
    return [piece for piece in _pieces(text, names) if piece.token is not TokenKind.COMMENT]


def without_comments(text: str, names: Collection[str] = ()) -> str:
    """Take out the comments of FEEL (`// …` to the end of the line, `/* … */`), which strings and names may look like.

    Raises:
        CellError: as `cut` does.
    """
    if "//" not in text and "/*" not in text:
        return text
    return "".join(_kept(text, names)).strip()


def _kept(text: str, names: Collection[str]) -> Iterator[str]:
    at = 0
    for piece in _pieces(text, names):
        is_comment = piece.token is TokenKind.COMMENT
        yield " " if is_comment else text[at : piece.at] + piece.text
        at = piece.at + len(piece.text)


def _pieces(text: str, names: Collection[str]) -> Iterator[Token]:
    longest_first = sorted(names, key=len, reverse=True)
    at = 0
    while (at := _past_space(text, at)) < len(text):
        piece = _declared(text, at, longest_first) or _piece(text, at)
        yield piece
        at += len(piece.text)


def _past_space(text: str, at: int) -> int:
    return len(text) - len(text[at:].lstrip())


def _declared(text: str, at: int, names: list[str]) -> Token | None:
    for name in names:
        end = _end_of(name, text, at)
        if end and not _WORD_GOES_ON.match(text, end):
            return Token(TokenKind.NAME, text[at:end], at)
    return None


def _end_of(name: str, text: str, at: int) -> int:
    """Say where a name ends if it starts here, else 0; any space between its words will do."""
    if text.startswith(name, at):
        return at + len(name)
    if " " not in name:
        return 0
    found = re.compile(r"\s+".join(map(re.escape, name.split()))).match(text, at)
    return found.end() if found else 0


def _piece(text: str, at: int) -> Token:
    found = _PIECE.match(text, at)
    if found is None or found.lastgroup is None:
        raise CellError(_no_meaning(text[at:]))
    return Token(TokenKind[found.lastgroup], found[0], at)


def _no_meaning(rest: str) -> str:
    if rest.startswith(('"', '@"')):
        return f"the quote in {rest} is not closed"
    if rest.startswith("/*"):
        return f"the comment {rest} is not closed"
    if rest.startswith("'"):
        return f"{rest} has single quotes; strings are written in double quotes"
    return f'"{rest}" is not understood; a cell is a value, a comparison, an interval, a comma list, not(…) or -'


# Everything that gives a cell its shape; what stands between is a bare word.
_SHAPE = re.compile(r'@?"(?:[^"\\]|\\.)*"|<=|>=|!=|[<>=,()\[\]]|\.\.', re.DOTALL)
_NOT_BARE = re.compile(r"-|null|true|false|" + TokenKind.NUMBER.value)


def is_literal_of_another_type(text: str) -> bool:
    """Say whether a text reads as a number, true, false or null rather than as a word."""
    return text.strip() != "-" and _NOT_BARE.fullmatch(text.strip()) is not None


def quote_bare_words(text: str, names: Collection[str]) -> str:
    """Put quotes around the bare words of a string cell, except the names of other inputs.

    `created, started` becomes `"created", "started"`; what is not a word stays for the parser to judge.
    """
    if _NOT_BARE.fullmatch(text.strip()):
        return text
    parts = list(_parts(text))
    return "".join(_quoted_if_bare(part, after, names) for part, after in pairwise([*parts, ""]))


def _parts(text: str) -> Iterator[str]:
    at = 0
    for found in _SHAPE.finditer(text):
        if found.start() > at:
            yield text[at : found.start()]
        yield found[0]
        at = found.end()
    if at < len(text):
        yield text[at:]


def _quoted_if_bare(part: str, after: str, names: Collection[str]) -> str:
    word = part.strip()
    is_shape = not word or _SHAPE.fullmatch(part) or '"' in part
    if is_shape or after == "(" or word in names or _NOT_BARE.fullmatch(word):
        return part
    return part.replace(word, quoted(word))
