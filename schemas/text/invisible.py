"""Find characters that nobody sees in a text, or that stand for one that could not be read."""

from __future__ import annotations

NOT_READ = "\ufffd"
# Shown as nothing, or as a space, although Unicode counts them among marks, letters and symbols.
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\ufffc").union(
    map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
_ODD_LINE_ENDS = "\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029"


def is_unseen(letter: str) -> bool:
    """Return whether a character has no shape of its own: controls, formats, separators of lines, selectors."""
    return letter in BLANK or not (letter.isprintable() or letter.isspace()) or letter in _ODD_LINE_ENDS


def first_unseen(text: str) -> str:
    """Return the first character that nobody sees, or that could not be read; an empty text if there is none."""
    if text.isascii() and text.isprintable():
        return ""
    return next((letter for letter in text if letter == NOT_READ or is_unseen(letter)), "")
