"""Join surrogates, as which JSON and FEEL escape characters beyond U+FFFF."""

from __future__ import annotations

import re

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def join_surrogates(text: str) -> str:
    """Return the text with one character for each pair of surrogates."""
    return _PAIR.sub(_character, text)


def has_surrogates(text: str) -> bool:
    """Return whether the text contains a surrogate, which UTF-8 cannot encode."""
    return _SURROGATE.search(text) is not None


def _character(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")
