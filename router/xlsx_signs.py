"""Write any text into XML as Excel does, and read it back: what XML cannot hold is written `_x000D_`."""

from __future__ import annotations

import re

# What XML 1.0 cannot hold or does not keep, and the escape itself where a text happens to look like one.
_TO_ESCAPE = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|_(?=x[0-9A-Fa-f]{4}_)")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def in_xlsx(text: str) -> str:
    """Escape a text for a cell."""
    return _TO_ESCAPE.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


def from_xlsx(text: str) -> str:
    """Undo the escapes of a cell."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
