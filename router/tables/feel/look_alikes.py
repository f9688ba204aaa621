"""Find characters that spreadsheets, phones and mail programs put in place of those that were typed."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from router.tables.feel.errors import CellError
from schemas.text.invisible import BLANK, NOT_READ, is_unseen

if TYPE_CHECKING:
    from collections.abc import Collection

_DOUBLE_QUOTES = dict.fromkeys(
    "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u301d\u301e\u301f\uff02\u2033\u275d\u275e", '"'
)
_SINGLE_QUOTES = dict.fromkeys("'\u2018\u2019\u201a\u201b\uff07\u2032`\u00b4\u275b\u275c", '"')
_DASHES = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2500\u30fc\ufe58\ufe63\uff0d", "-")
_SIGNS = {
    "\u2026": "..",
    "\u2264": "<=",
    "\u2a7d": "<=",
    "\u2265": ">=",
    "\u2a7e": ">=",
    "\u2266": "<=",
    "\u2267": ">=",
    "\u2260": "!=",
    "\uff1c": "<",
    "\uff1e": ">",
    "\uff1d": "=",
    "\uff0c": ",",
    "\u3001": ",",
    "\u060c": ",",
    "\ufe50": ",",
    "\ufe51": ",",
    "\uff64": ",",
    "\uff1b": ";",
    "\ufe54": ";",
    "\u061b": ";",
    "\u037e": ";",
    "\uff08": "(",
    "\uff09": ")",
    "\uff3b": "[",
    "\uff3d": "]",
}
# What automatic correction makes of signs that are typed one after the other.
_CORRECTED = {
    "\u00a9": "(c)",
    "\u00ae": "(r)",
    "\u2122": "(tm)",
    "\u00bd": "1/2",
    "\u00bc": "1/4",
    "\u00be": "3/4",
    "\u2153": "1/3",
    "\u2154": "2/3",
    "\u2190": "<-",
    "\u2192": "->",
    "\u2194": "<->",
    "\u21d0": "<=",
    "\u21d2": "=>",
    "\u21d4": "<=>",
    "\u2639": ":(",
    "\u263a": ":)",
}
_REMEDIES = _DOUBLE_QUOTES | _SINGLE_QUOTES | _DASHES | _SIGNS | _CORRECTED
# In words; the sign for a long vowel is a part of Japanese ones.
_TYPED_OTHERWISE = (
    _DOUBLE_QUOTES.keys() | _SINGLE_QUOTES.keys() | _DASHES.keys() | _SIGNS.keys() | _CORRECTED.keys()
) - {"'", "\u30fc"}
# As Excel writes a number of more than 11 digits: the last ones are lost.
_CUT_NUMBER = re.compile(r"-?[0-9](?:[.,][0-9]{1,5})?E\+[0-9]{2,3}")
# Among others in a cell. In a column of numbers `1E+12` may be meant; five decimals are as many as Excel leaves.
_CUT_NUMBERS = {
    "string": re.compile(rf"(?<![^\s,;(]){_CUT_NUMBER.pattern}(?![^\s,;)])"),
    "number": re.compile(r"(?<!\w)(?<![0-9]\.)[0-9][.,][0-9]{5}E\+[0-9]{2,3}(?![0-9])"),
}
_QUOTED = re.compile(r'@?"(?:[^"\\]|\\.)*"', re.DOTALL)
# Spaces of other widths, and the hyphen that Word puts where a line must not break.
_PLAIN = str.maketrans(
    {space: " " for space in map(chr, range(0x80, 0x3001)) if unicodedata.category(space) == "Zs"} | {"\u2011": "-"}
)
_BULLETS = frozenset(
    "\u2022\u2023\u2043\u204c\u204d\u2219\u25a0\u25a1\u25aa\u25ab\u25b6\u25b8\u25ba\u25cb\u25cf\u25e6\u27a2\u27a4\u2713\u2714\u00b7"
)
# In English, German and French.
_ERRORS_OF_SPREADSHEETS = frozenset(
    {"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#SPILL!", "#CALC!", "#FIELD!", "#BLOCKED!"}
    | {"#WERT!", "#BEZUG!", "#ZAHL!", "#NV", "#ÜBERLAUF!", "#VALEUR!", "#NOM?", "#NOMBRE!"}
)
_COMPATIBLE = {
    letter: unicodedata.normalize("NFKC", letter)
    for letter in map(
        chr, (*range(0xFB00, 0xFB07), *range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
    )
}

_MAX_SHOWN = 60  # characters


def plain_spaces(text: str) -> str:
    """Return a text with ordinary spaces and hyphens in place of those of another width, or that break no line."""
    return text if text.isascii() else text.translate(_PLAIN)


def check_word(word: str) -> None:
    """Check a word that was written without quotes.

    A straight apostrophe inside of a word belongs to it.

    Raises:
        CellError: a character of it looks like one that has a meaning in a cell, or cannot be seen.
    """
    if word in _ERRORS_OF_SPREADSHEETS or (len(word) > 1 and not word.strip("#")):
        problem = "is what a spreadsheet shows in place of a value: correct the cell there, or put it in double quotes"
        raise CellError(f"{word} {problem}")
    if word.isascii() and word.isprintable() and "'" not in word and "`" not in word:
        return
    if other := _other_spelling(word):
        written, typed = other
        raise CellError(
            f"{_shown(word)} has the character {_named(written)}, and looks like {_shown(typed)}: type it again, "
            'or put the text in double quotes (") if it belongs to it'
        )
    check_visible(word)
    _check_ends(word)
    for letter in word:
        if letter in _TYPED_OTHERWISE:
            raise CellError(_sentence(word, letter))


def _check_ends(word: str) -> None:
    """Check the characters that have a meaning at the beginning or the end of a word.

    Raises:
        CellError: one looks like a quote, the sign for any value, a minus, or an entry of a list.
    """
    for letter in (word[0], word[-1]):
        if letter in _SINGLE_QUOTES:
            raise CellError(_sentence(word, letter))
    if word[0] in _DASHES and (len(word) == 1 or word[1].isdigit() or word[1] in ". "):
        raise CellError(_sentence(word, word[0]))
    if word[0] in _BULLETS and word[1:2] == " ":
        problem = f"begins with the bullet {_named(word[0])} of a list: delete it, or put the text in double quotes"
        raise CellError(f'{_shown(word)} {problem} (") if it belongs to it')


def check_visible(word: str) -> None:
    """Check that every character of a word is shown as what it is.

    Raises:
        CellError: one is not.
    """
    if word.isprintable() and BLANK.isdisjoint(word) and NOT_READ not in word:
        return
    for letter in word:
        if letter == NOT_READ:
            problem = f"contains {_named(letter)}, which stands for a character that could not be read"
            raise CellError(f"{_shown(word)} {problem}: save the file as UTF-8, and type the text again")
        if is_unseen(letter):
            raise CellError(
                f"{_shown(word)} contains the invisible character {_named(letter)}: type the text again, or put it in "
                'double quotes (") if it belongs to it'
            )


def check_signs(text: str, names: Collection[str]) -> None:
    """Check the part of a cell that is outside of strings: some look-alikes are valid in names of FEEL.

    Raises:
        CellError: it has a sign that looks like an operator, a bracket or a comma, and no name has it.
    """
    found = next((letter for letter in text if letter in _SIGNS), None)
    if found is not None and not any(found in name for name in names):
        raise CellError(_sentence(text.strip(), found))


def look_alike_problem(rest: str) -> str | None:
    """Return the sentence about the first character of a text without a meaning; None if it is no look-alike."""
    letter = rest[:1]
    if letter and is_unseen(letter):
        return f"{_shown(rest)} begins with the invisible character {_named(letter)}: type the text again"
    return _sentence(rest, letter) if letter in _REMEDIES and letter != "'" else None


def is_in_odd_quotes(text: str) -> bool:
    """Return whether a whole text is in quotes that are not straight double ones."""
    quotes = _DOUBLE_QUOTES | _SINGLE_QUOTES
    return not text.isascii() and len(text) > 1 and text[0] in quotes and text[-1] in quotes


def check_value(text: str) -> None:
    """Check an output value that was written without straight quotes. Quotes inside of it belong to it.

    Raises:
        CellError: the whole value is in other quotes, or a number whose last digits a spreadsheet has cut.
    """
    if _CUT_NUMBER.fullmatch(text):
        raise CellError(_cut_number_sentence(text))
    if is_in_odd_quotes(text):
        raise CellError(_sentence(text, text[0] if not text[0].isascii() else text[-1]))


def check_cut_numbers(cell: str, column_type: str) -> None:
    """Check the condition in a cell of a sheet, outside of double quotes, in a column of strings or numbers.

    Raises:
        CellError: it has a number whose last digits a spreadsheet has cut.
    """
    pattern = _CUT_NUMBERS.get(column_type)
    if pattern is None or "E+" not in cell:
        return
    found = pattern.search(_QUOTED.sub('""', cell))
    if found is not None and column_type == "number":
        problem = "is what a spreadsheet makes of a long number, perhaps without its last digits"
        raise CellError(f"{found[0]} {problem}: format the column as text and type all digits again")
    if found is not None:
        raise CellError(_cut_number_sentence(found[0]))


def _other_spelling(word: str) -> tuple[str, str] | None:
    """Return the first character that is not what a keyboard types, and the word as it is typed on one.

    A Mac may write a letter and its accent as two characters, a PDF a ligature, an input method a wide letter.
    """
    if ligature := next((letter for letter in word if letter in _COMPATIBLE), None):
        return ligature, "".join(_COMPATIBLE.get(letter, letter) for letter in word)
    if not any(map(unicodedata.combining, word)):
        return None
    composed = unicodedata.normalize("NFC", word)
    if composed == word:
        return None
    differs = next((at for at, (a, b) in enumerate(zip(word, composed, strict=False)) if a != b), len(composed) - 1)
    following = word[differs + 1 : differs + 2]
    return (following if following and unicodedata.combining(following) else word[differs]), composed


def _cut_number_sentence(text: str) -> str:
    problem = "is what a spreadsheet makes of a long number, without its last digits"
    return f"{text} {problem}: format the column as text and type the number again, or put the text in double quotes"


def _sentence(text: str, letter: str) -> str:
    if letter in _DOUBLE_QUOTES or letter in _SINGLE_QUOTES:
        return (
            f'{_shown(text)} has the quote {_named(letter)}; strings are written in double quotes ("): '
            "if it belongs to the text, put straight double quotes around all of it"
        )
    return (
        f"{_shown(text)} has the character {_named(letter)}, which looks like {_REMEDIES[letter]}: write "
        f'{_REMEDIES[letter]}, or put the text in double quotes (") if it belongs to it'
    )


def _named(letter: str) -> str:
    name = unicodedata.name(letter, "without a name")
    is_visible = letter.isprintable() and letter not in BLANK and letter != NOT_READ
    return f"{letter} (U+{ord(letter):04X}, {name.lower()})" if is_visible else f"U+{ord(letter):04X}"


def _shown(text: str) -> str:
    visible = "".join(letter for letter in text if not is_unseen(letter))
    return visible if len(visible) <= _MAX_SHOWN else f"{visible[: _MAX_SHOWN - 1]}\u2026"
