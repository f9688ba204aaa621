"""Which phase follows which: the whole life of an outbound request as one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.happenings import Kind
from schemas.vocabulary import Phase, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

UNSENT = (Phase.CREATED, Phase.ROUTED, Phase.RETRYING, Phase.FALLOUT)
OUT = (Phase.ACCEPTED, Phase.IN_PROGRESS)
ENDED = (Phase.FULFILLED, Phase.FAILED, Phase.CANCELLED, Phase.BLOCKED)
ALIVE = (*UNSENT, Phase.SENDING, Phase.IN_DOUBT, *OUT)

# A report moves a run that is out to the phase of its state.
PHASE_OF_STATE: Mapping[RunState, Phase] = {
    RunState.ACKNOWLEDGED: Phase.ACCEPTED,
    RunState.PENDING: Phase.ACCEPTED,
    RunState.IN_PROGRESS: Phase.IN_PROGRESS,
    RunState.COMPLETED: Phase.FULFILLED,
    RunState.REJECTED: Phase.FAILED,
    RunState.FAILED: Phase.FAILED,
    RunState.CANCELLED: Phase.CANCELLED,
}

NEXT: Mapping[tuple[Phase, Kind], Phase] = {
    (Phase.CREATED, Kind.ROUTED): Phase.ROUTED,
    (Phase.ROUTED, Kind.SENDING): Phase.SENDING,
    (Phase.RETRYING, Kind.SENDING): Phase.SENDING,
    (Phase.IN_DOUBT, Kind.SENDING): Phase.SENDING,
    (Phase.FALLOUT, Kind.SENDING): Phase.SENDING,
    (Phase.SENDING, Kind.ATTEMPT_FAILED): Phase.RETRYING,
    (Phase.SENDING, Kind.OUTCOME_UNKNOWN): Phase.IN_DOUBT,
    (Phase.SENDING, Kind.ACCEPTED): Phase.ACCEPTED,
    (Phase.IN_DOUBT, Kind.ACCEPTED): Phase.ACCEPTED,
    (Phase.FALLOUT, Kind.ACCEPTED): Phase.ACCEPTED,
    (Phase.SENDING, Kind.REFUSED): Phase.FAILED,
    (Phase.ROUTED, Kind.PARENT_NOT_ACCEPTED): Phase.BLOCKED,
    (Phase.FALLOUT, Kind.PARENT_NOT_ACCEPTED): Phase.BLOCKED,
    **{(phase, Kind.GIVEN_UP): Phase.FALLOUT for phase in (*UNSENT, Phase.SENDING, Phase.IN_DOUBT)},
    **{(phase, Kind.REPORTED): phase for phase in (*OUT, *ENDED)},
    **{(phase, Kind.CHANGE_ASKED): phase for phase in ALIVE},
    **{(phase, Kind.CHANGE_ACCEPTED): phase for phase in OUT},
    **{(phase, Kind.CHANGE_REFUSED): phase for phase in (*ALIVE, *ENDED)},
    **{(phase, Kind.CANCEL_ASKED): phase for phase in ALIVE},
    **{(phase, Kind.CANCELLED_UNSENT): Phase.CANCELLED for phase in UNSENT},
    **{(phase, Kind.CANCEL_ACCEPTED): phase for phase in OUT},
    **{(phase, Kind.CANCEL_REFUSED): phase for phase in (*ALIVE, *ENDED)},
}
