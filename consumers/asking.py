"""Say what a new document means for a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.refused_changes import why_not
from router.runs.events import ChangeAsked, ChangeRefused
from router.runs.processed_events import CHANGE, led_to

if TYPE_CHECKING:
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument


def ask_for(event: Event, row: RunRow, document: RunDocument) -> ChangeAsked | ChangeRefused | None:
    """Give what this document means for the run; None where the event comes again.

    What is wanted already is asked for like the rest: read again later, when the run may have ended, this event must
    be known for one that was no news.
    """
    if led_to(row, event.id, CHANGE):
        return None
    refusal = why_not(row, document)
    if refusal is not None:
        return ChangeRefused(version=document.version, reasons=(refusal,))
    return ChangeAsked(document=document)
