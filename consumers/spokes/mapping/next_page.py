"""Read from the body of a list how many runs there are, and which page is the next one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from consumers.spokes.mapping.pointers import find
from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.tmf653.lenient_json import as_text, as_whole_number

if TYPE_CHECKING:
    from consumers.spokes.mapping.pointers import PointerToken
    from consumers.spokes.port import Call

    Place = tuple[PointerToken, ...]

_MAX_LENGTH = 4_000  # characters of a cursor, or of an address
_MAX_QUERY_FIELDS = 50
_NO_CURSOR: tuple[object, ...] = (None, "", False)


def total_in(body: object, place: Place) -> str | None:
    """Return how many runs a body counts, as a header says it; None if it does not."""
    count = as_whole_number(_found(body, place))
    return None if count is None or count < 0 else str(count)


def next_page(body: object, place: Place, first: Call, cursor_name: str) -> Call | None:
    """Return the call of the next page, which is that of the first page with a cursor; None if this page is the last.

    Raises:
        NotUnderstoodError: what stands there is neither an address nor a cursor, so the list is not whole.
    """
    found = _found(body, place)
    if found in _NO_CURSOR:
        return None
    text = as_text(found)
    if text is None or len(text) > _MAX_LENGTH:
        raise NotUnderstoodError("what mapping.next_at leads to is neither an address nor the value of a parameter")
    if "?" not in text:
        return replace(first, query=(*first.query, (cursor_name, text)))
    try:
        # Only the query is taken over, so that a system cannot send us elsewhere.
        return replace(first, query=tuple(parse_qsl(urlsplit(text).query, max_num_fields=_MAX_QUERY_FIELDS)))
    except ValueError:
        raise NotUnderstoodError("the address of the next page, at mapping.next_at, cannot be read") from None


def _found(body: object, place: Place) -> object:
    return next((value for _, value in find(body, place)), None)
