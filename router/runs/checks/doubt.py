"""Decide what is known about a POST whose outcome is unknown, and when another one is safe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime  # noqa: TC003 - the run store reads a doubt by its annotations

from schemas.results import Reason  # noqa: TC001 - the same

# A slow system may store a run long after it stopped answering, and a list may lag behind what is stored.
MIN_ABSENT_ANSWERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What the look-ups of a run have answered since its last POST that was perhaps accepted.

    `earlier_post_at` is set from the second POST on: the time of the one before. `refusal` are the reasons of a
    refusal that came while an earlier POST was perhaps accepted. `was_accepted`: a response said so (2xx), but could
    not be read; then there is never another POST without a person's word. `posted_at`: the last POST was written then
    or before; None until that is known. `key` is that of the last POST: it follows from its bytes, so a POST under
    another key has others. `body` are these bytes, as text: another POST sends the same, even if the profile would
    write others by then. It is empty while the outcome of the POST is not known to a process, and if they are too many.
    """

    absent_answers: int = 0
    earlier_post_at: datetime | None = None
    was_accepted: bool = False
    refusal: tuple[Reason, ...] = ()
    posted_at: datetime | None = None
    key: str = ""
    body: str = ""


def posting(doubt: Doubt | None, earlier_post_at: datetime | None, key: str) -> Doubt | None:
    """Return the doubt for a POST that starts now under `key`; None for a part of another run's POST."""
    earlier = earlier_post_at or (doubt.earlier_post_at if doubt else None)
    if not earlier and not key:
        return None
    return Doubt(earlier_post_at=earlier, key=key, body=doubt.body if doubt is not None and doubt.key == key else "")


def after_failure(doubt: Doubt | None) -> Doubt | None:
    """Return the doubt when the last POST had no effect; None if no earlier POST may have been accepted."""
    return doubt if doubt is not None and doubt.earlier_post_at is not None else None


def after_unknown_outcome(
    doubt: Doubt | None, *, was_accepted: bool, posted_at: datetime | None = None, key: str = "", body: str = ""
) -> Doubt | None:
    """Return the doubt when the outcome of the last POST is unknown: the look-ups start again."""
    if doubt is None and not was_accepted and posted_at is None:
        return None
    return replace(
        doubt or Doubt(), absent_answers=0, was_accepted=was_accepted, posted_at=posted_at, key=key, body=body
    )


def after_refusal(doubt: Doubt | None, reasons: tuple[Reason, ...]) -> Doubt:
    """Return the doubt when the last POST was refused, perhaps because an earlier one was accepted."""
    return replace(doubt or Doubt(), absent_answers=0, refusal=reasons)


def after_absent_answer(doubt: Doubt | None, as_of: datetime, *, redriven: bool = False) -> Doubt:
    """Return the doubt after a look-up that was made at `as_of` proved that the system does not have the run, for now.

    If a process ended before the outcome of its POST was stored, its successor's first look-up came after the POST. A
    run that a person redrives may have another body, which is a decision of that person.
    """
    doubt = doubt or Doubt()
    if redriven:
        doubt = replace(doubt, key="", body="")
    return replace(doubt, absent_answers=doubt.absent_answers + 1, posted_at=doubt.posted_at or as_of)


def wait_until_settled(doubt: Doubt, as_of: datetime, settle_time: float) -> float | None:
    """Return the seconds until the next look-up; None once the run is certainly not at the system.

    It is settled when the look-ups answered at least three times that the run is absent, and the last one, made at
    `as_of`, was made at least `settle_time` seconds after the POST was written. When it was answered does not count: a
    slow answer, or a second question that shows that the filter works, may come long after what it says was true. The
    pauses double: with one look-up per pause the fourth answer comes when the settle time has passed.
    """
    answers = doubt.absent_answers
    passed = (as_of - (doubt.posted_at or as_of)).total_seconds()
    if answers >= MIN_ABSENT_ANSWERS and passed >= settle_time:
        return None
    pauses = 2**MIN_ABSENT_ANSWERS - 1
    pause: float = settle_time * 2 ** min(max(answers - 1, 0), MIN_ABSENT_ANSWERS - 1) / pauses
    # A clock that was set back must not hold the run for longer than a settle time.
    return pause if answers < MIN_ABSENT_ANSWERS else min(max(settle_time - passed + 0.001, pause / 4), settle_time)
