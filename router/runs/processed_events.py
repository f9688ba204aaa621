"""Remember in a run's row what an event led to, so that it can be said again after a crash.

A row is stored before the world is told. If the process dies in between, the event comes again; the row
then tells which updates its first life owed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs import notifications as announcements
from router.runs.events import Kind
from router.runs.run import replace
from router.runs.transitions import ENDED
from schemas.results import RunUpdate
from schemas.vocabulary import UpdateKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from router.runs.advance import Step
    from router.runs.events import Happening
    from router.runs.run import RunRow
    from schemas.results import RunResult

AT_MOST = 64  # entries; only the last event of each consumer can come again
# What an event asks of a run and a command carries out.
SEND, CHANGE, CANCEL = "send", "change", "cancel"
_ASKS: Mapping[Kind, str] = {Kind.ROUTED: SEND, Kind.CHANGE_ASKED: CHANGE, Kind.CANCEL_ASKED: CANCEL}
_WITH_ITS_REASON = (UpdateKind.STALE, UpdateKind.BLOCKED, UpdateKind.WAITING)
_OF_ACCEPTED_VERSION = (UpdateKind.ACCEPTED, UpdateKind.CHANGE_ACCEPTED)


def remember(step: Step, happenings: Iterable[Happening], cause: str) -> RunRow:
    """Give the row of a step with what the event `cause` led to."""
    told = [str(word.kind) for word in step.announcements if isinstance(word, RunUpdate)]
    asked = [_ASKS[happening.kind] for happening in happenings if happening.kind in _ASKS]
    return _with(step.row, cause, [*told, *asked])


def led_to(row: RunRow, cause: str, word: str) -> bool:
    """Tell whether this event has led to this before: a kind of update, or `SEND`, `CHANGE`, `CANCEL`."""
    return _entry(cause, word) in row.heard


def told_by(row: RunRow, cause: str) -> list[RunUpdate | RunResult]:
    """Give what this event led to, as the run is now; and the run's result if it has ended."""
    start = _entry(cause, "")
    kinds = [entry.removeprefix(start) for entry in row.heard if entry.startswith(start)]
    said: list[RunUpdate | RunResult] = [_update(row, UpdateKind(kind)) for kind in kinds if kind not in _ASKS.values()]
    return [*said, announcements.result(row)] if row.phase in ENDED else said


def born(row: RunRow, cause: str) -> RunRow:
    """Give a new row that knows which event made it."""
    return _with(row, cause, [SEND])


def _update(row: RunRow, kind: UpdateKind) -> RunUpdate:
    version = row.accepted_version if kind in _OF_ACCEPTED_VERSION else None
    reasons = row.reasons[-1:] if kind in _WITH_ITS_REASON else ()
    return announcements.update(row, kind, reasons, version)


def _with(row: RunRow, cause: str, words: Iterable[str]) -> RunRow:
    new = [entry for word in words if (entry := _entry(cause, word)) not in row.heard]
    return replace(row, heard=(*row.heard, *new)[-AT_MOST:]) if new else row


def _entry(cause: str, word: str) -> str:
    return f"{cause} led to {word}"
