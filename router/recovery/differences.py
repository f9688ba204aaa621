"""Compare rows in what decides how a run goes on: two rows are equal if the gateway does the same with both."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, NamedTuple

from router.runs.reports.reasons import bounded_reasons
from router.runs.run import RunRow
from router.runs.transitions import COMMANDED_PHASES, ENDED_PHASES
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDED = "commanded, not accepted"  # routed, sending, retrying and in doubt: a look-up comes before anything is sent
_ALWAYS = (
    "root_run_id",
    "parent_run_id",
    "tenant",
    "request_id",
    "spoke",
    "decision",
    "external_id",
    "external_href",
    "requested",
    "accepted_version",
    "cancel_requested",
    "waits_for",
)
_OF_ENDED = ("state", "result", "measures")
_OF_SOME = ("sent", "replaced", "reasons", "finished_at")
COMPARED_FIELDS = ("phase", *_ALWAYS, *_OF_ENDED, *_OF_SOME)


def fields_not_compared() -> tuple[str, ...]:
    """Return the fields of a row that `differences` leaves out; `replaced` is what matters of `replacement`."""
    compared = {*COMPARED_FIELDS, "run_id", "replacement"}
    return tuple([field.name for field in fields(RunRow) if field.name not in compared])


class Difference(NamedTuple):
    """A field in which two rows of one run differ. A row that is missing differs in its phase."""

    run_id: str
    field: str
    left: object
    right: object


def differences(run_id: str, left: RunRow | None, right: RunRow | None) -> tuple[Difference, ...]:
    """Return the fields in which two rows of one run differ in what matters; a row may be missing."""
    if left is None or right is None:
        pair = [row.phase.value if row else None for row in (left, right)]
        return () if left is right else (Difference(run_id, "phase", *pair),)
    one, other = comparable(left), comparable(right)
    return tuple(
        Difference(run_id, name, one.get(name), other.get(name))
        for name in dict.fromkeys((*one, *other))
        if one.get(name) != other.get(name)
    )


def comparable(row: RunRow) -> Mapping[str, object]:
    """Return what matters of a row. What is only known between two notifications does not, nor do times of our own."""
    phase = COMMANDED if row.phase in COMMANDED_PHASES else row.phase.value
    values: dict[str, object] = {"phase": phase, **{name: getattr(row, name) for name in _ALWAYS}}
    if row.accepted_at is not None:
        values["sent"] = row.sent
    if row.replacement is not None:
        values["replaced"] = row.replacement.ended
    if row.accepted_at is not None and row.phase not in ENDED_PHASES:
        values["state"] = row.state
    if row.phase in ENDED_PHASES:
        values |= {name: getattr(row, name) for name in _OF_ENDED}
        values["reasons"] = bounded_reasons(row.reasons)
        # Events have milliseconds.
        at = row.finished_at
        values["finished_at"] = at.replace(microsecond=at.microsecond // 1000 * 1000) if at else None
    if row.phase is Phase.WAITING:
        values["reasons"] = row.reasons
    return values
