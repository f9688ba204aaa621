"""Split the text of a cell into tokens, and quote the bare words of string columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from router.tables.feel.errors import CellError
from router.tables.feel.literals import quote
from router.tables.feel.look_alikes import check_signs, check_word, look_alike_problem, plain_spaces

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


# The characters of a FEEL name besides letters and digits (DMN 1.5 §10.3.1.2, rules 28 to 30), such as emoji, accents.
_NAME_CHARACTERS = (
    "\u037f-\u1fff\u200c\u200d\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
NAME_START = rf"(?!\d)[\w{_NAME_CHARACTERS}]"
NAME_PART = rf"[\w{_NAME_CHARACTERS}\u00b7\u0300-\u036f\u203f\u2040]"


MAX_CELL_LENGTH = 32_767  # characters, as in Excel


class TokenKind(Enum):
    """The kinds of token. The value is the pattern that matches one."""

    COMMENT = r"//[^\r\n]*|/\*.*?\*/"
    AT_LITERAL = r'@"(?:[^"\\]|\\.)*"'
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
    """A token of a cell. `offset` is its position in the text, counted from 0."""

    kind: TokenKind
    text: str
    offset: int


_TOKEN = re.compile("|".join(f"(?P<{token.name}>{token.value})" for token in TokenKind), re.DOTALL)
_STRING = re.compile(TokenKind.STRING.value, re.DOTALL)
_SPACES = re.compile(r"\s+")
_NAME_CONTINUES = re.compile(rf"{NAME_PART}|[-.'\u2019/](?={NAME_PART})|\s+{NAME_PART}")


def tokenize(text: str, names: Collection[str]) -> list[Token]:
    """Split a cell into tokens, without comments. Each of `names` is one token, also if it contains spaces or signs.

    Raises:
        CellError: a character has no meaning here, or a quote is not closed.
    """
    _check_length(text, 2 * MAX_CELL_LENGTH)  # the quotes around bare words included
    if not text.isascii():
        check_signs(_STRING.sub("", text), names)
    return [token for token in _tokens(text, names) if token.kind is not TokenKind.COMMENT]


def _check_length(text: str, limit: int = MAX_CELL_LENGTH) -> None:
    if len(text) > limit:
        raise CellError(f"the cell has more than {MAX_CELL_LENGTH:,} characters: split the row")


def strip_comments(text: str, names: Collection[str] = ()) -> str:
    """Remove the comments of FEEL (`// …` to the end of the line, `/* … */`), but not from strings and names.

    Raises:
        CellError: as `tokenize` does.
    """
    _check_length(text, 2 * MAX_CELL_LENGTH)
    if "//" not in text and "/*" not in text:
        return text
    return "".join(_text_without_comments(text, names)).strip()


def _text_without_comments(text: str, names: Collection[str]) -> Iterator[str]:
    at = 0
    for token in _tokens(text, names):
        is_comment = token.kind is TokenKind.COMMENT
        yield " " if is_comment else text[at : token.offset] + token.text
        at = token.offset + len(token.text)


def _tokens(text: str, names: Collection[str]) -> Iterator[Token]:
    longest_first = sorted(names, key=len, reverse=True)
    at = 0
    while (at := _skip_space(text, at)) < len(text):
        token = _declared_name(text, at, longest_first) or _next_token(text, at)
        yield token
        at += len(token.text)


def _skip_space(text: str, at: int) -> int:
    match = _SPACES.match(text, at)
    return match.end() if match else at


def _declared_name(text: str, at: int, names: list[str]) -> Token | None:
    for name in names:
        end = _end_of_name(name, text, at)
        if end and not _NAME_CONTINUES.match(text, end):
            return Token(TokenKind.NAME, text[at:end], at)
    return None


def _end_of_name(name: str, text: str, at: int) -> int:
    """Return where a name ends if it starts at `at`, else 0. Any white space matches a space in the name."""
    if text.startswith(name, at):
        return at + len(name)
    if " " not in name:
        return 0
    match = _spaced(name).match(text, at)
    return match.end() if match else 0


@lru_cache(maxsize=2048)
def _spaced(name: str) -> re.Pattern[str]:
    return re.compile(r"\s+".join(map(re.escape, name.split())))


def _next_token(text: str, at: int) -> Token:
    match = _TOKEN.match(text, at)
    if match is None or match.lastgroup is None:
        raise CellError(_syntax_problem(text[at:]))
    return Token(TokenKind[match.lastgroup], match[0], at)


def _syntax_problem(rest: str) -> str:
    if rest.startswith(('"', '@"')):
        return f"the quote in {rest} is not closed"
    if rest.startswith("/*"):
        return f"the comment {rest} is not closed"
    if problem := look_alike_problem(rest):
        return problem
    if rest.startswith("'"):
        return f"{rest} has single quotes; strings are written in double quotes"
    return f'"{rest}" is not understood; a cell is a value, a comparison, an interval, a comma list, not(…) or -'


# Strings, operators, brackets and commas. The text between two of them is a bare word.
_DELIMITER = re.compile(r'@?"(?:[^"\\]|\\.)*"|<=|>=|!=|[<>=,()\[\]]|\.\.', re.DOTALL)
_NON_STRING_LITERAL = re.compile(r"-|null|true|false|" + TokenKind.NUMBER.value)


def is_literal_of_another_type(text: str) -> bool:
    """Return whether a text is a number, true, false or null rather than a word."""
    return text.strip() != "-" and _NON_STRING_LITERAL.fullmatch(text.strip()) is not None


def quote_bare_words(text: str, names: Collection[str]) -> str:
    """Quote the bare words of a string cell, except the names of other inputs.

    `created, started` becomes `"created", "started"`. Everything else is left for the parser to check.
    """
    _check_length(text)
    text = _with_plain_spaces(text)
    if _NON_STRING_LITERAL.fullmatch(text.strip()):
        return text
    parts = list(_split_at_punctuation(text))
    return "".join(_quote_if_bare(part, after, names) for part, after in pairwise([*parts, ""]))


def _with_plain_spaces(text: str) -> str:
    """Return a text with ordinary spaces, but leave those between quotes."""
    if text.isascii():
        return text
    return "".join(part if part.startswith(('"', '@"')) else plain_spaces(part) for part in _split_at_punctuation(text))


def _split_at_punctuation(text: str) -> Iterator[str]:
    at = 0
    for match in _DELIMITER.finditer(text):
        if match.start() > at:
            yield text[at : match.start()]
        yield match[0]
        at = match.end()
    if at < len(text):
        yield text[at:]


def _quote_if_bare(part: str, after: str, names: Collection[str]) -> str:
    word = part.strip()
    if word and not _DELIMITER.fullmatch(part) and '"' not in part and word not in names:
        check_word(word)
    is_not_bare = not word or _DELIMITER.fullmatch(part) or '"' in part
    if is_not_bare or after == "(" or word in names or _NON_STRING_LITERAL.fullmatch(word):
        return part
    return part.replace(word, quote(word))
