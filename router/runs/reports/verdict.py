"""Read the verdict of a system on a run that has ended, and keep it as a reason, from which the result follows.

TMF653 has no field for a verdict: systems that judge themselves call it `result`, as ServiceNow does, or a mapping
writes theirs to that field. That a run passed needs more than its word: the mandatory measures, and no violation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.results import Reason
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FAIL = Reason(code="VERDICT_FAIL", message="The external system's own verdict on the run is fail.")
INCONCLUSIVE = Reason(
    code="VERDICT_INCONCLUSIVE", message="The external system's own verdict on the run is inconclusive."
)
_WORDS: Mapping[str, Reason] = {"fail": FAIL, "failed": FAIL, "inconclusive": INCONCLUSIVE}
_JUDGED = frozenset({RunState.COMPLETED, RunState.FAILED})


def verdict_in(written: object, state: RunState | None, *, names_state: bool) -> tuple[Reason, ...]:
    """Return the reason for a verdict that is not `pass`; nothing before the end, when it may be an initial value.

    A report without any state (`names_state` is False) may be about the end: then `fail` counts.
    """
    found = _WORDS.get(written.strip().casefold()) if isinstance(written, str) else None
    if found is None or not (state in _JUDGED or (found is FAIL and not names_state)):
        return ()
    return (found,)


def is_fail(reasons: Iterable[Reason]) -> bool:
    """Return whether the system has judged that the run failed."""
    return any(reason.code == FAIL.code for reason in reasons)


def is_inconclusive(reasons: Iterable[Reason]) -> bool:
    """Return whether the system has judged that the run says nothing."""
    return any(reason.code == INCONCLUSIVE.code for reason in reasons)


def late_verdict(known: Iterable[Reason], reported: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return the verdict of a report about a run that has ended, if it is not known yet."""
    before = frozenset(known)
    return tuple([reason for reason in reported if reason in (FAIL, INCONCLUSIVE) and reason not in before])
