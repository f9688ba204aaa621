"""The page about phases and states: diagrams and tables, generated from the transition tables."""

from __future__ import annotations

import inspect
import re
import textwrap
from itertools import product
from typing import TYPE_CHECKING

from docs.generate.markdown import table
from router.runs import events as run_events
from router.runs.states import RANK, SPELLINGS, BeingCancelled
from router.runs.transitions import CONDITIONAL_TRANSITIONS, ENDED_PHASES, NEXT_PHASE, PHASE_OF_STATE
from schemas import vocabulary
from schemas.vocabulary import Phase, RunState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.runs.events import RunEventKind

INTRODUCTION = """# Phases and states

A run has a *phase*, which is the progress of Southbound's outbound request for it, and a *state*, which is reported by
the external system. Both change only as these tables allow.

{ends}

## Phases

"""
AFTER_DIAGRAM = """
A report moves a run that was accepted to the phase of its state (below). A change or a cancellation is stored and
published when it is requested and when the external system responds, and does not change the phase.

"""
STATES = """
## States

A reported state is applied if its rank is not lower than the rank of the present state. A report after the end
that says something new is stored and published as `stale`. Spellings are compared without regard to case, spaces,
`_` and `-`; a profile can add spellings. The words {cancelling} say that a run is being cancelled: its state stays as
it is until the system reports the end. A run that returns after its end (see above) is `acknowledged` again.

"""
# The order of RANK itself depends on a set, and differs between processes.
STATES_IN_ORDER = [state for state in RunState if state in RANK]
EVENTS = """
## Run events by phase

"""


def page() -> str:
    """Return the text of the page."""
    meanings = _phase_meanings()
    phases = [
        (f"`{one}`", meanings.get(one, _PHASE_MEANINGS.get(one, "")), _is_end_text(one))
        for one in Phase
        if one in _phases_in_diagram()
    ]
    return (
        INTRODUCTION.format(ends=_ends_sentence())
        + _phase_diagram()
        + AFTER_DIAGRAM
        + table(("phase", "meaning", "final"), phases)
        + _states_introduction()
        + _state_diagram()
        + "\n"
        + table(("state", "rank", "phase", "other spellings"), map(_state_row, STATES_IN_ORDER))
        + EVENTS
        + table(("run event", "meaning", "allowed in", "leads to"), _event_rows())
    )


def _states_introduction() -> str:
    """Return what is said of all states."""
    words = [f"`{one}`" for one, meant in SPELLINGS.items() if meant is BeingCancelled.CANCELLING]
    first, *rest = STATES.format(cancelling=f"{', '.join(words[:-1])} and {words[-1]}").strip().splitlines()
    return f"\n{first}\n\n{textwrap.fill(' '.join(rest).strip(), 120)}\n\n"


_PHASE_MEANINGS: Mapping[Phase, str] = {
    Phase.ACCEPTED: "the external system has accepted it",
    Phase.IN_PROGRESS: "the external system executes it",
    Phase.FULFILLED: "it was executed; its result says what was found",
    Phase.FAILED: "it was refused, or could not be executed",
    Phase.CANCELLED: "it was cancelled",
}


def _ends_sentence() -> str:
    """Return whether a run can leave its end, and by which transitions."""
    ways_out = [
        f"*{kind}* takes it from `{before}` to `{after}`{f', if {condition}' if condition else ''}"
        for (before, kind), after, condition in _transitions()
        if before in ENDED_PHASES and after is not before
    ]
    if not ways_out:
        return "A run that has ended keeps its phase and its state."
    exceptions = f"{'this exception' if len(ways_out) == 1 else 'these exceptions'}: {'; '.join(ways_out)}"
    return textwrap.fill(f"A run that has ended keeps its phase and its state, with {exceptions}.", 120)


def _transitions() -> Iterator[tuple[tuple[Phase, RunEventKind], Phase, str]]:
    for key, after in NEXT_PHASE.items():
        yield key, after, ""
    for before, kind, after, condition in CONDITIONAL_TRANSITIONS:
        yield (before, kind), after, condition


def _phases_in_diagram() -> set[Phase]:
    return {phase for (phase, _), _ in NEXT_PHASE.items()} | set(NEXT_PHASE.values()) | set(PHASE_OF_STATE.values())


def _phase_diagram() -> str:
    arrows: dict[tuple[Phase, Phase], list[str]] = {}
    for (phase, kind), after, _ in _transitions():
        if phase is not after:
            arrows.setdefault((phase, after), []).append(kind.value)
    for before, after, state in _report_transitions():
        arrows.setdefault((before, after), []).append(f"reported {state.value}")
    lines = [f"    {before.value} --> {after.value}: {' / '.join(kinds)}" for (before, after), kinds in arrows.items()]
    ends = [f"    {phase.value} --> [*]" for phase in ENDED_PHASES]
    starts = [f"    [*] --> {phase.value}" for phase in (Phase.CREATED, Phase.ROUTED)]
    return "\n".join(["```mermaid", "stateDiagram-v2", *starts, *lines, *ends, "```", ""])


def _report_transitions() -> Iterator[tuple[Phase, Phase, RunState]]:
    out = (Phase.ACCEPTED, Phase.IN_PROGRESS)
    # `pending` and `inProgress` go both ways, the rest only forward.
    ranks = {Phase.ACCEPTED: RANK[RunState.ACKNOWLEDGED], Phase.IN_PROGRESS: RANK[RunState.IN_PROGRESS]}
    for before in out:
        for state, after in PHASE_OF_STATE.items():
            if after is not before and RANK[state] >= ranks[before]:
                yield before, after, state


def _state_diagram() -> str:
    arrows = [
        f"    {before.value} --> {after.value}"
        for before, after in product(STATES_IN_ORDER, repeat=2)
        if before is not after and not _is_end(before) and RANK[after] >= RANK[before]
    ]
    ends = [f"    {state.value} --> [*]" for state in STATES_IN_ORDER if _is_end(state)]
    start = f"    [*] --> {RunState.ACKNOWLEDGED.value}"
    return "\n".join(["```mermaid", "stateDiagram-v2", start, *arrows, *ends, "```", ""])


def _is_end(state: RunState) -> bool:
    return PHASE_OF_STATE[state] in ENDED_PHASES


def _state_row(state: RunState) -> tuple[str, str, str, str]:
    others = sorted(spelling for spelling, meant in SPELLINGS.items() if meant is state and spelling != state.lower())
    return f"`{state.value}`", str(RANK[state]), f"`{PHASE_OF_STATE[state]}`", ", ".join(f"`{one}`" for one in others)


def _event_rows() -> list[tuple[str, str, str, str]]:
    return [(kind.value, _event_meaning(kind), *_transitions_of(kind)) for kind in run_events.RunEventKind]


def _transitions_of(kind: RunEventKind) -> tuple[str, str]:
    moves = {phase: after for (phase, one), after in NEXT_PHASE.items() if one is kind}
    phases = ", ".join(f"`{phase}`" for phase in moves)
    if kind is run_events.RunEventKind.REPORTED:
        return phases, "; ".join(["the phase of the state, or the same phase after the end", *_conditions_of(kind)])
    same = all(phase is after for phase, after in moves.items())
    leads_to = "the same phase" if same else ", ".join(f"`{after}`" for after in dict.fromkeys(moves.values()))
    return phases, "; ".join([leads_to, *_conditions_of(kind)])


def _conditions_of(kind: RunEventKind) -> list[str]:
    conditional = [one for one in CONDITIONAL_TRANSITIONS if one.kind is kind]
    return list(dict.fromkeys(f"`{one.after}`, if {one.condition}" for one in conditional))


def _event_meaning(kind: RunEventKind) -> str:
    classes = inspect.getmembers(run_events, lambda one: inspect.isclass(one) and getattr(one, "kind", None) is kind)
    return " ".join((classes[0][1].__doc__ or "").split())


def _phase_meanings() -> dict[Phase, str]:
    """Return the comment beside each phase in the vocabulary."""
    found = re.findall(r'= "(\w+)"  # (.+)', inspect.getsource(vocabulary.Phase))
    return {Phase(value): meaning for value, meaning in found}


def _is_end_text(phase: Phase) -> str:
    return "yes" if phase in ENDED_PHASES else ""
