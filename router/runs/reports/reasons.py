"""Bound the reasons of a run: an external system decides how many there are, and every one is stored and published."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from schemas.results import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_REASONS = 100  # of a run
MAX_REASONS_OF_REPORT = 50  # that one report adds
MAX_TEXT = 2_000  # characters of a reason's message, or of its path
MAX_CODE = 200  # characters
LEFT_OUT = "REASONS_LEFT_OUT"
_COUNT = re.compile(r"[0-9]{1,15}")


def bounded_reasons(reasons: tuple[Reason, ...], limit: int = MAX_REASONS) -> tuple[Reason, ...]:
    """Return at most `limit` reasons: the first ones, how many are left out, and the last ones.

    The first of each code is kept, because a result depends on which codes there are. Bounding again changes nothing.
    """
    if len(reasons) <= limit:
        return reasons if all(map(_is_short, reasons)) else tuple(map(_shortened, reasons))
    earlier = sum([_count(reason) for reason in reasons if reason.code == LEFT_OUT])
    others = [reason for reason in reasons if reason.code != LEFT_OUT]
    kept = _kept(others, limit - 1)
    last = len(kept) - (limit - 1) // 3
    shortened = [_shortened(others[place]) for place in kept]
    return (*shortened[:last], reasons_left_out(earlier + len(others) - len(kept)), *shortened[last:])


def reasons_left_out(count: int) -> Reason:
    """Return the reason that counts those that are not kept."""
    left_out = "reason is left out" if count == 1 else "reasons are left out"
    return Reason(code=LEFT_OUT, message=f"{count} more {left_out}.")  # read back by `_count`


def _kept(reasons: Sequence[Reason], limit: int) -> list[int]:
    """Return the places of the reasons that are kept: a third for the first of each code, a third for the last ones."""
    first_of_code: dict[str, int] = {}
    for place, reason in enumerate(reasons):
        first_of_code.setdefault(reason.code, place)
    kept = {*list(first_of_code.values())[: limit // 3], *range(max(0, len(reasons) - limit // 3), len(reasons))}
    for place in range(len(reasons)):
        if len(kept) >= limit:
            break
        kept.add(place)
    return sorted(kept)


def _count(reason: Reason) -> int:
    found = _COUNT.match(reason.message)
    return int(found.group()) if found else 0


def _is_short(reason: Reason) -> bool:
    return (
        len(reason.message) <= MAX_TEXT and len(reason.property_path or "") <= MAX_TEXT and len(reason.code) <= MAX_CODE
    )


def _shortened(reason: Reason) -> Reason:
    if _is_short(reason):
        return reason
    path = reason.property_path
    return Reason(
        code=reason.code[:MAX_CODE],
        message=shortened_text(reason.message, MAX_TEXT),
        property_path=path if path is None else shortened_text(path, MAX_TEXT),
    )


def shortened_text(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters, with a mark where it is cut."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
