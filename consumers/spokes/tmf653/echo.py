"""Compare a changed run as its system shows it with what was sent; if they contradict, success is not reported."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from html import unescape
from typing import TYPE_CHECKING

from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.tmf653.lenient_json import as_mapping, as_moment, as_number, parse_json
from consumers.spokes.tmf653.replies import require_answer, to_report
from router.responses import ACCEPTED_FOR_LATER
from router.runs.reports.identity import contradiction_of
from schemas.results import Reason

if TYPE_CHECKING:
    from router.responses import HttpResponse
    from router.runs.run import RunRow
    from schemas.text.json_types import Json

CHANGE_NOT_SHOWN = "CHANGE_NOT_SHOWN"
_MIN_SHORTENED = 10  # characters that a system keeps at least of a text that it cuts
_EMPTY: tuple[object, ...] = (None, "", [], {})
_UNKNOWN = object()  # it is not known what was there before
_IDENTITIES = ("id", "name")
_NOT_COMPARED = ("href", "valueType")  # systems write their own


def contradictions(response: HttpResponse, row: RunRow, old: Json, new: Json) -> tuple[Reason, ...]:
    """Return a reason for each field of `new` that the response shows with another value; `old` was there before.

    An empty body, a field that the body does not mention, and what a 202 still shows say nothing.
    """
    if not response.body.strip():
        return ()
    try:
        shown = require_answer(parse_json(response.body, response.headers.get("content-type")))
    except NotUnderstoodError as error:
        return (_not_shown(f"The external system answered with success, but {error}."),)
    if response.status == ACCEPTED_FOR_LATER:
        return ()
    if (other := contradiction_of(to_report({}, shown), row)) is not None:
        return (_not_shown(f"The external system answered with success, but {other}."),)
    return tuple(
        _not_shown(f"The external system answered with success, but shows {field} without the change.", f"/{field}")
        for field, value in new.items()
        if field in shown and not shows(value, old.get(field), shown[field])
    )


def shows(new: object, old: object, shown: object) -> bool:
    """Return whether a shown value is what was sent, in the spelling of a system; `old` is what it had before.

    What is shown exactly as it was is no spelling of a new value.
    """
    if new in _EMPTY or shown in _EMPTY:
        return new in _EMPTY and shown in _EMPTY
    if isinstance(new, list):
        return isinstance(shown, list) and _shows_list(new, old if isinstance(old, list) else [], shown)
    return _is_same(new, shown, old) or _is_shortened(new, old, shown)


def _shows_list(new: list[object], old: list[object], shown: list[object]) -> bool:
    """Return whether every item that was sent is shown, in any order, and none that was removed."""
    by_identity: dict[object, list[object]] = {}
    for one in shown:
        for identity in _identities(one):
            by_identity.setdefault(identity, []).append(one)
    before = {_identities(item)[0]: item for item in old}

    def is_shown(item: object, was: object = _UNKNOWN) -> bool:
        return any(_is_same(item, one, was) for one in by_identity.get(_identities(item)[0], ()))

    kept = {_identities(item)[0] for item in new}
    removed = [item for item in old if _identities(item)[0] not in kept]
    return all(is_shown(item, before.get(_identities(item)[0], _UNKNOWN)) for item in new) and not any(
        map(is_shown, removed)
    )


def _identities(item: object) -> list[object]:
    """Return by what an item of a list is recognised: the id of a related party, the name of a characteristic."""
    if not isinstance(item, dict):
        return [_plain(item)]
    # The reference to a party is one level deeper in v5.
    named = as_mapping(item.get("partyOrPartyRole")) or item
    return [(key, _plain(named[key])) for key in _IDENTITIES if named.get(key)] or [None]


def _is_same(new: object, shown: object, old: object) -> bool:
    if new in _EMPTY and shown in _EMPTY:
        return True
    if isinstance(new, dict):
        return isinstance(shown, dict) and _is_same_object(new, shown, as_mapping(old))
    if isinstance(new, list):
        before = old if isinstance(old, list) and len(old) == len(new) else [_UNKNOWN] * len(new)
        return isinstance(shown, list) and len(new) == len(shown) and all(map(_is_same, new, shown, before))
    return not _is_as_before(new, shown, old) and _is_same_value(new, shown)


def _is_same_object(new: Json, shown: Json, old: Json) -> bool:
    """Compare the fields that both have; what a system adds or leaves out says nothing."""
    compared = [key for key in new if key in shown and key not in _NOT_COMPARED and not key.startswith("@")]
    return all(
        _is_same(
            _unwrapped(shown[key], new[key]),
            _unwrapped(new[key], shown[key]),
            _unwrapped(shown[key], old[key]) if key in old else _UNKNOWN,
        )
        for key in compared
    )


def _unwrapped(new: object, shown: object) -> object:
    # TMF653 v4.0 writes the value of a characteristic as an object with a value.
    return shown["value"] if isinstance(shown, dict) and "value" in shown and not isinstance(new, dict) else shown


def _is_as_before(new: object, shown: object, old: object) -> bool:
    """Return whether the old value is shown although another one was sent, such as `7` instead of `007`."""
    if old is _UNKNOWN or _text(shown) != _text(old) or _text(new) == _text(old):
        return False
    is_number = any(isinstance(each, (int, float)) and not isinstance(each, bool) for each in (new, old))
    # 7 and 7.0 are one number, and one moment may be written in two time zones.
    return not (is_number and _plain(new) == _plain(old)) and (
        as_moment(new) is None or as_moment(new) != as_moment(old)
    )


def _text(value: object) -> str:
    text = " ".join(str(value).split())
    return text.casefold() if isinstance(value, bool) else text


def _is_same_value(new: object, shown: object) -> bool:
    if _plain(new) == _plain(shown):
        return True
    sent = as_number(new) if isinstance(shown, float) else None  # a system that stores numbers so keeps about 16 digits
    return sent is not None and sent == shown


def _plain(value: object) -> object:
    if isinstance(value, bool) or value is None:
        return str(value).casefold()
    text = " ".join(unescape(str(value)).split())
    try:
        number = Decimal(text)  # a float cannot tell two numbers of 20 digits apart
    except InvalidOperation:
        moment = as_moment(value)
        return moment.replace(microsecond=0) if moment else text.casefold()
    return number if number.is_finite() else text


def _is_shortened(new: object, old: object, shown: object) -> bool:
    """Return whether a system cut a long text."""
    if not isinstance(new, str) or not isinstance(shown, str):
        return False
    kept = shown.rstrip(" .…")
    return len(kept) >= _MIN_SHORTENED and new.startswith(kept) and not _is_same(old, shown, _UNKNOWN)


def _not_shown(message: str, path: str | None = None) -> Reason:
    return Reason(code=CHANGE_NOT_SHOWN, message=message, property_path=path)
