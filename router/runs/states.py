"""Normalise the states of external systems, and order them."""

from __future__ import annotations

from enum import Enum
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


class BeingCancelled(Enum):
    """What a spelling means that says that a run is being cancelled: it goes on until the system reports the end."""

    CANCELLING = "cancelling"


Meaning = RunState | BeingCancelled


class UnknownStateError(ValueError):
    """A profile maps a spelling to something that is not a canonical state."""


def _fold(spelling: str) -> str:
    return spelling.replace("_", "").replace("-", "").replace(" ", "").strip().casefold()


# TMF653 v4 and v5, ServiceNow (API and form), MEF 149 TestJob, and implementations in the field.
SPELLINGS: Final[Mapping[str, Meaning]] = {
    **{_fold(state): state for state in RANK},
    "canceled": RunState.CANCELLED,
    "scheduled": RunState.ACKNOWLEDGED,
    "suspended": RunState.PENDING,
    "pendingforinput": RunState.PENDING,
    "informationrequired": RunState.PENDING,
    "done": RunState.COMPLETED,
    # MEF 149, and TMF622 and others, while they decide: what the run does meanwhile is what it did before.
    "assessingmodification": RunState.ACKNOWLEDGED,
    **dict.fromkeys(
        ("cancelling", "canceling", "assessingcancellation", "assessingcancelation", "pendingcancellation"),
        BeingCancelled.CANCELLING,
    ),
}


def merge_spellings(extra: Mapping[str, str | BeingCancelled]) -> Mapping[str, Meaning]:
    """Return the known spellings, overridden by those of a profile; call it once per profile.

    Raises:
        UnknownStateError: the meaning of a spelling is not a canonical state.
    """
    return {
        **SPELLINGS,
        **{_fold(spelling): _to_canonical(spelling, state) for spelling, state in extra.items()},
    }


def normalise_state(raw: str, spellings: Mapping[str, Meaning] = SPELLINGS) -> RunState | None:
    """Return the state for a spelling in any case, with spaces, `_` or `-`; None if the spelling means no state."""
    meaning = meaning_of(raw, spellings)
    return meaning if isinstance(meaning, RunState) else None


def meaning_of(raw: str, spellings: Mapping[str, Meaning] = SPELLINGS) -> Meaning | None:
    """Return what a spelling means: a state, or that the run is being cancelled; None if it is unknown."""
    return spellings.get(raw) or spellings.get(_fold(raw))


def is_forward(current: RunState | None, reported: RunState) -> bool:
    """Return whether a report moves or repeats a state; nothing leaves a terminal one."""
    if reported not in RANK:
        return False
    if current in TERMINAL:
        return current == reported
    return RANK[reported] >= RANK.get(current or reported, 0)


def _to_canonical(spelling: str, state: str | BeingCancelled) -> Meaning:
    if isinstance(state, BeingCancelled):
        return state
    if state not in RANK:
        known = ", ".join(RANK)
        raise UnknownStateError(
            f"The spelling {spelling!r} shall mean {state!r}, which is no state of a run: use one of {known}."
        )
    return RunState(state)
