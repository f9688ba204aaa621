"""Write and read the parts of JSON pointers (RFC 6901)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


_POINTER = re.compile(r"(/([^/~]|~[01])*)*", re.DOTALL)


def is_pointer(text: str) -> bool:
    """Return whether a text is a JSON pointer: every `~` in it begins `~0` or `~1` (RFC 6901 §3)."""
    # Most have no tilde, and then nothing is to be matched.
    return text[:1] in ("", "/") and ("~" not in text or _POINTER.fullmatch(text) is not None)


def pointer_to(parts: Iterable[str | int]) -> str:
    """Return the JSON pointer of these names and positions."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def unescape(part: str) -> str:
    """Return a part of a JSON pointer as the name that it stands for (RFC 6901 §4)."""
    return part.replace("~1", "/").replace("~0", "~")
