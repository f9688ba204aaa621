"""Say what a new document means for a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.happenings import ChangeAsked, ChangeRefused
from router.memory import CHANGE, led_to
from router.refused_changes import why_not

if TYPE_CHECKING:
    from router.runs import RunRow
    from schemas.documents import RunDocument
    from schemas.envelope import Event


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
