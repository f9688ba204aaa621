"""Read by what a TMF653 system identifies a resource: its id, or the end of its address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from consumers.spokes.tmf653.lenient_json import first_text

if TYPE_CHECKING:
    from schemas.text.json_types import Json

_RUN_ADDRESS = re.compile(r"(?:^|/)serviceTest/[^/?#]+/?(?:[?#]|$)", re.IGNORECASE)
# What programs write in place of an id that they do not have yet, and what names no run in any path.
_NO_IDS = frozenset({"null", "undefined", "none", "nil", "{id}", ":id", ".", ".."})
MAX_ID_LENGTH = 512  # characters, as in a callback
MAX_HREF_LENGTH = 2_000


def id_of(resource: Json, location: str | None = None) -> str | None:
    """Return the id of a resource, or the last segment of its address; `location` is that of a response."""
    own = unless_none(first_text(resource, "id"))
    return unless_too_long(own or last_segment(first_text(resource, "href") or location), MAX_ID_LENGTH)


def unless_none(identity: str | None) -> str | None:
    """Return an id unless it is what a program writes in place of one."""
    return None if identity is None or identity.casefold() in _NO_IDS else identity


def is_address_of_run(address: str | None) -> bool:
    """Return whether an address ends with a run of the standard's resource."""
    return bool(address) and _RUN_ADDRESS.search(address or "") is not None


def unless_too_long(text: str | None, limit: int) -> str | None:
    """Return an id or an address unless it is too long to be one: cut, it would be another one."""
    return text if text is None or len(text) <= limit else None


def last_segment(address: str | None) -> str | None:
    """Return the last segment of the path of an address; None if there is none."""
    try:
        path = urlsplit(address or "").path
    except ValueError:
        return None
    return unless_none(unquote(path.rstrip("/").rpartition("/")[2]).replace("\x00", "").strip() or None)
