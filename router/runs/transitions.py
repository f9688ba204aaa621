"""The transition table: which phase follows which in the life of an outbound request."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from router.runs.events import RunEventKind
from schemas.vocabulary import Phase, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.runs.run import RunRow
    from schemas.results import RunResult, RunUpdate


class Transition(NamedTuple):
    """The result of events applied to a row. `changed` is False if there is nothing to write."""

    row: RunRow
    notifications: tuple[RunUpdate | RunResult, ...] = ()
    changed: bool = True


UNSENT_PHASES = (Phase.CREATED, Phase.WAITING, Phase.ROUTED, Phase.RETRYING, Phase.FALLOUT)
NOT_ACCEPTED_PHASES = (*UNSENT_PHASES, Phase.SENDING, Phase.IN_DOUBT)
COMMANDED_PHASES = (Phase.ROUTED, Phase.RETRYING, Phase.SENDING, Phase.IN_DOUBT)  # a SendRun moves them on
ACCEPTED_PHASES = (Phase.ACCEPTED, Phase.IN_PROGRESS)
ENDED_PHASES = (Phase.FULFILLED, Phase.FAILED, Phase.CANCELLED, Phase.BLOCKED)
OPEN_PHASES = (*NOT_ACCEPTED_PHASES, *ACCEPTED_PHASES)

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

NEXT_PHASE: Mapping[tuple[Phase, RunEventKind], Phase] = {
    (Phase.CREATED, RunEventKind.ROUTED): Phase.ROUTED,
    (Phase.FALLOUT, RunEventKind.ROUTED): Phase.ROUTED,  # a child arrived after its request was given up
    (Phase.WAITING, RunEventKind.ROUTED): Phase.ROUTED,
    (Phase.CREATED, RunEventKind.THRESHOLD_REACHED): Phase.WAITING,
    (Phase.FALLOUT, RunEventKind.THRESHOLD_REACHED): Phase.WAITING,
    (Phase.WAITING, RunEventKind.THRESHOLD_REACHED): Phase.WAITING,
    **{
        (phase, RunEventKind.COMMAND_PUBLISHED): phase
        for phase in (*OPEN_PHASES, *ENDED_PHASES)
        if phase is not Phase.WAITING
    },
    **{(phase, RunEventKind.COMMAND_REPEATED): phase for phase in COMMANDED_PHASES},
    **{(phase, RunEventKind.SYSTEM_DOWN): phase for phase in OPEN_PHASES},
    (Phase.ROUTED, RunEventKind.SENDING): Phase.SENDING,
    (Phase.RETRYING, RunEventKind.SENDING): Phase.SENDING,
    (Phase.IN_DOUBT, RunEventKind.SENDING): Phase.SENDING,
    (Phase.FALLOUT, RunEventKind.SENDING): Phase.SENDING,
    (Phase.SENDING, RunEventKind.SENDING): Phase.SENDING,  # after a crash, a look-up did not find the run
    (Phase.SENDING, RunEventKind.ATTEMPT_FAILED): Phase.RETRYING,
    # No connection could be made, so it was not stored as `sending`.
    (Phase.ROUTED, RunEventKind.ATTEMPT_FAILED): Phase.RETRYING,
    (Phase.FALLOUT, RunEventKind.ATTEMPT_FAILED): Phase.RETRYING,
    (Phase.SENDING, RunEventKind.OUTCOME_UNKNOWN): Phase.IN_DOUBT,
    (Phase.SENDING, RunEventKind.NOT_FOUND): Phase.IN_DOUBT,  # after a crash
    (Phase.IN_DOUBT, RunEventKind.NOT_FOUND): Phase.IN_DOUBT,
    (Phase.FALLOUT, RunEventKind.NOT_FOUND): Phase.IN_DOUBT,  # redriven
    **{(phase, RunEventKind.COMMAND_DELAYED): phase for phase in (*OPEN_PHASES, *ENDED_PHASES)},
    # Routed again, after the store that knew whether it was sent was lost.
    (Phase.ROUTED, RunEventKind.NOT_FOUND): Phase.IN_DOUBT,
    (Phase.ROUTED, RunEventKind.OUTCOME_UNKNOWN): Phase.IN_DOUBT,
    (Phase.ROUTED, RunEventKind.ACCEPTED): Phase.ACCEPTED,
    (Phase.SENDING, RunEventKind.REFUSED_IN_DOUBT): Phase.IN_DOUBT,
    (Phase.IN_DOUBT, RunEventKind.REFUSED): Phase.FAILED,  # once it is settled that the system does not have the run
    (Phase.SENDING, RunEventKind.ACCEPTED): Phase.ACCEPTED,
    (Phase.IN_DOUBT, RunEventKind.ACCEPTED): Phase.ACCEPTED,
    (Phase.RETRYING, RunEventKind.ACCEPTED): Phase.ACCEPTED,  # the POST before the last was accepted after all
    (Phase.FALLOUT, RunEventKind.ACCEPTED): Phase.ACCEPTED,
    (Phase.SENDING, RunEventKind.REFUSED): Phase.FAILED,
    # A child that is embedded in its root's POST is `sending` when the root is refused.
    **{(phase, RunEventKind.PARENT_NOT_ACCEPTED): Phase.BLOCKED for phase in NOT_ACCEPTED_PHASES},
    **{(phase, RunEventKind.GIVEN_UP): Phase.FALLOUT for phase in NOT_ACCEPTED_PHASES},
    # A run in fallout whose system never named its id goes on once it does.
    **{(phase, RunEventKind.REPORTED): phase for phase in (*ACCEPTED_PHASES, Phase.FALLOUT, *ENDED_PHASES)},
    **{(phase, RunEventKind.RUN_MISSING): phase for phase in (*ACCEPTED_PHASES, Phase.FALLOUT, *ENDED_PHASES)},
    **{(phase, RunEventKind.CHECKED): phase for phase in (*ACCEPTED_PHASES, Phase.FALLOUT, *ENDED_PHASES)},
    **{(phase, RunEventKind.DEADLINE_REACHED): phase for phase in (*ACCEPTED_PHASES, Phase.FALLOUT, *ENDED_PHASES)},
    **{(phase, RunEventKind.CHANGE_REQUESTED): phase for phase in OPEN_PHASES},
    # The report of the end may overtake the response to a change or cancellation.
    **{(phase, RunEventKind.CHANGE_ACCEPTED): phase for phase in (*ACCEPTED_PHASES, *ENDED_PHASES)},
    **{(phase, RunEventKind.CHANGE_REFUSED): phase for phase in (*OPEN_PHASES, *ENDED_PHASES)},
    **{(phase, RunEventKind.REPLACEMENT_BEGUN): phase for phase in ACCEPTED_PHASES},
    **{(phase, RunEventKind.REPLACEMENT_DELAYED): phase for phase in (*OPEN_PHASES, *ENDED_PHASES)},
    **{(phase, RunEventKind.CANCEL_REQUESTED): phase for phase in OPEN_PHASES},
    # In doubt, a look-up has shown that the run never arrived.
    **{(phase, RunEventKind.CANCELLED_BEFORE_SENDING): Phase.CANCELLED for phase in NOT_ACCEPTED_PHASES},
    **{(phase, RunEventKind.CANCEL_ACCEPTED): phase for phase in (*ACCEPTED_PHASES, *ENDED_PHASES)},
    **{(phase, RunEventKind.CANCEL_REFUSED): phase for phase in (*OPEN_PHASES, *ENDED_PHASES)},
    **{(phase, RunEventKind.CANCELLATION_CHECKED): phase for phase in (*ACCEPTED_PHASES, *ENDED_PHASES)},
    **{(phase, RunEventKind.REQUEST_PROGRESSED): phase for phase in (*OPEN_PHASES, *ENDED_PHASES)},
}


class ConditionalTransition(NamedTuple):
    """A transition that depends on more of the row than its phase. `condition` completes "if …"."""

    before: Phase
    kind: RunEventKind
    after: Phase
    condition: str


# `missing_parts`, `time_out` and `replacement` decide whether the condition holds; if not, NEXT_PHASE applies. A report
# then leads to the phase of its state.
CONDITIONAL_TRANSITIONS = (
    ConditionalTransition(
        Phase.FALLOUT, RunEventKind.REPORTED, Phase.ACCEPTED, "the system reports on the run after all"
    ),
    ConditionalTransition(Phase.FAILED, RunEventKind.REPORTED, Phase.ACCEPTED, "it had ended with the reason `LOST`"),
    *(
        transition
        for phase in ACCEPTED_PHASES
        for transition in (
            ConditionalTransition(
                phase,
                RunEventKind.RUN_MISSING,
                Phase.FAILED,
                "the system has not shown the run for `lost_after` seconds",
            ),
            ConditionalTransition(
                phase, RunEventKind.CHECKED, Phase.FULFILLED, "a completed run has waited `measures_grace` seconds"
            ),
            ConditionalTransition(
                phase, RunEventKind.CHECKED, Phase.FALLOUT, "the external id is not known after `id_deadline` seconds"
            ),
            ConditionalTransition(phase, RunEventKind.DEADLINE_REACHED, Phase.FAILED, "the time of the run is over"),
            ConditionalTransition(
                phase, RunEventKind.REPORTED, Phase.RETRYING, "the test is cancelled that a change replaces"
            ),
        )
    ),
)
