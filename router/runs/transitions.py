"""Which phase follows which: the whole life of an outbound request as one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.events import Kind
from schemas.vocabulary import Phase, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

UNSENT = (Phase.CREATED, Phase.WAITING, Phase.ROUTED, Phase.RETRYING, Phase.FALLOUT)
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
    (Phase.FALLOUT, Kind.ROUTED): Phase.ROUTED,  # a child came after its request was given up
    (Phase.WAITING, Kind.ROUTED): Phase.ROUTED,
    **{(phase, Kind.WAITS): Phase.WAITING for phase in (Phase.CREATED, Phase.FALLOUT, Phase.WAITING)},
    **{(phase, Kind.COMMANDED): phase for phase in (*ALIVE, *ENDED) if phase is not Phase.WAITING},
    (Phase.ROUTED, Kind.SENDING): Phase.SENDING,
    (Phase.RETRYING, Kind.SENDING): Phase.SENDING,
    (Phase.IN_DOUBT, Kind.SENDING): Phase.SENDING,
    (Phase.FALLOUT, Kind.SENDING): Phase.SENDING,
    (Phase.SENDING, Kind.SENDING): Phase.SENDING,  # after a crash, a look-up and no trace of the run
    (Phase.SENDING, Kind.ATTEMPT_FAILED): Phase.RETRYING,
    (Phase.SENDING, Kind.OUTCOME_UNKNOWN): Phase.IN_DOUBT,
    (Phase.SENDING, Kind.ACCEPTED): Phase.ACCEPTED,
    (Phase.IN_DOUBT, Kind.ACCEPTED): Phase.ACCEPTED,
    (Phase.FALLOUT, Kind.ACCEPTED): Phase.ACCEPTED,
    (Phase.SENDING, Kind.REFUSED): Phase.FAILED,
    # A child that travels inside its root's POST is `sending` when the root is refused.
    **{(phase, Kind.PARENT_NOT_ACCEPTED): Phase.BLOCKED for phase in (*UNSENT, Phase.SENDING, Phase.IN_DOUBT)},
    **{(phase, Kind.GIVEN_UP): Phase.FALLOUT for phase in (*UNSENT, Phase.SENDING, Phase.IN_DOUBT)},
    **{(phase, Kind.REPORTED): phase for phase in (*OUT, *ENDED)},
    **{(phase, Kind.CHANGE_ASKED): phase for phase in ALIVE},
    # The report of the end may overtake the answer to a change or cancellation.
    **{(phase, Kind.CHANGE_ACCEPTED): phase for phase in (*OUT, *ENDED)},
    **{(phase, Kind.CHANGE_REFUSED): phase for phase in (*ALIVE, *ENDED)},
    **{(phase, Kind.CANCEL_ASKED): phase for phase in ALIVE},
    # In doubt, a look-up has shown that the run never arrived.
    **{(phase, Kind.CANCELLED_UNSENT): Phase.CANCELLED for phase in (*UNSENT, Phase.SENDING, Phase.IN_DOUBT)},
    **{(phase, Kind.CANCEL_ACCEPTED): phase for phase in (*OUT, *ENDED)},
    **{(phase, Kind.CANCEL_REFUSED): phase for phase in (*ALIVE, *ENDED)},
}
