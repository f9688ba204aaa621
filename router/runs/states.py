"""Normalise the states of external systems, and order them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

# All but the one for a spelling that nobody knows.
KNOWN_STATES: Final = tuple([state.value for state in RunState if state is not RunState.UNKNOWN])
TERMINAL: Final = frozenset({RunState.REJECTED, RunState.CANCELLED, RunState.COMPLETED, RunState.FAILED})

# A reported state moves a run if its rank is not lower; pending and inProgress go both ways.
RANK: Final[Mapping[RunState, int]] = {
    RunState.ACKNOWLEDGED: 1,
    RunState.PENDING: 2,
    RunState.IN_PROGRESS: 2,
    **dict.fromkeys(TERMINAL, 9),
}


class UnknownStateError(ValueError):
    """A profile maps a spelling to something that is not a canonical state."""


def _fold(spelling: str) -> str:
    return spelling.replace("_", "").replace("-", "").replace(" ", "").strip().casefold()


# TMF653 v4 and v5, ServiceNow (API and form), MEF 149 TestJob, and implementations in the field.
SPELLINGS: Final[Mapping[str, RunState]] = {
    **{_fold(state): state for state in RANK},
    "canceled": RunState.CANCELLED,
    "scheduled": RunState.ACKNOWLEDGED,
    "suspended": RunState.PENDING,
    "pendingforinput": RunState.PENDING,
    "informationrequired": RunState.PENDING,
    "done": RunState.COMPLETED,
}


def merge_spellings(extra: Mapping[str, str]) -> Mapping[str, RunState]:
    """Return the known spellings, overridden by those of a profile; call it once per profile.

    Raises:
        UnknownStateError: the meaning of a spelling is not a canonical state.
    """
    return {
        **SPELLINGS,
        **{_fold(spelling): _to_canonical(spelling, state) for spelling, state in extra.items()},
    }


def normalise_state(raw: str, spellings: Mapping[str, RunState] = SPELLINGS) -> RunState | None:
    """Return the state for a spelling in any case, with spaces, `_` or `-`; None if the spelling is unknown."""
    return spellings.get(raw) or spellings.get(_fold(raw))


def is_forward(current: RunState | None, reported: RunState) -> bool:
    """Return whether a report moves or repeats a state; nothing leaves a terminal one."""
    if reported not in RANK:
        return False
    if current in TERMINAL:
        return current == reported
    return RANK[reported] >= RANK.get(current or reported, 0)


def _to_canonical(spelling: str, state: str) -> RunState:
    if state not in RANK:
        known = ", ".join(RANK)
        raise UnknownStateError(
            f"The spelling {spelling!r} shall mean {state!r}, which is no state of a run: use one of {known}."
        )
    return RunState(state)
