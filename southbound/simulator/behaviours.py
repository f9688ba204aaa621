"""The behaviour of an external system for the tests of one specification."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Model
from schemas.results import Reason
from schemas.vocabulary import RunState

Delay = Annotated[float, Field(ge=0)]
Repetitions = Annotated[int, Field(ge=0)]


class BehaviourStep(Model):
    """A transition to `state`, `after` seconds after the previous one."""

    after: Delay = Field(default=0.0, description="Seconds after the previous transition.")
    state: RunState = Field(description="The state that the test then has.")


class Behaviour(Model):
    """What happens to a test from its POST to its end.

    The failures come first, in the order of the fields; each is counted per idempotency key, or per name without one.
    Then the POST is answered with `initial_state`, and the `transitions` follow.
    """

    refusals: tuple[Reason, ...] = Field(default=(), description="The POST is answered with 422 and these reasons.")
    busy_times: Repetitions = Field(default=0, description="How many POSTs are answered with `busy_status` first.")
    busy_status: Annotated[int, Field(ge=400, le=599)] = Field(
        default=503, description="The status of those responses."
    )
    retry_after: Delay | None = Field(default=None, description="Seconds in their `Retry-After`.")
    reset_times: Repetitions = Field(
        default=0, description="For how many POSTs the connection is reset after the request is read."
    )
    accept_before_reset: bool = Field(default=False, description="Whether the test is created before the reset.")
    response_delay: Delay = Field(
        default=0.0, description="Seconds until the response to a POST; the test is created at once."
    )
    response_status: Annotated[int, Field(ge=200, le=299)] = Field(
        default=201, description="The status of the response to a POST."
    )
    returns_id: bool = Field(default=True, description="`false`: that response has neither a body nor `Location`.")
    initial_state: RunState = Field(
        default=RunState.ACKNOWLEDGED, description="The state in that response; a final one ends the test at once."
    )
    transitions: tuple[BehaviourStep, ...] = Field(default=(), description="The transitions after it, in order.")
    notifies: bool = Field(default=True, description="`false`: no event is sent, and the system has to be polled.")
    minimal_events: bool = Field(default=False, description="Whether events have id, href and state only.")
    separate_measures_event: bool = Field(
        default=False, description="Whether measures are sent in an event of their own, before the final state."
    )
    cancelable: bool = Field(default=True, description="`false`: a cancellation is refused.")
    cancel_status: Literal[200, 201, 202] = Field(
        default=201, description="The status of the response to a task that cancels (v5.0)."
    )
    cancel_after: Delay = Field(default=0.0, description="Seconds until such a task has cancelled the test.")
    asks_for: tuple[str, ...] = Field(
        default=(),
        description=(
            "JSON pointers to what the system needs: the test is pending until changes have brought all of it, and then"
            " the transitions begin. The system sends an event that asks for it (v5.0)."
        ),
    )
    waits_for: dict[str, bool | int | float | str] = Field(
        default_factory=dict,
        description=(
            "Values of characteristics: a test that does not have all of them is pending until changes have brought"
            " them, and then the transitions begin."
        ),
    )
    ends_after_children: bool = Field(
        default=False, description="Whether the transitions of a bundle's root begin once its children have ended."
    )
    changeable: bool = Field(default=True, description="`false`: a change is refused.")
    values: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="The measured values, by the name of the metric."
    )
    echo_characteristics: bool = Field(
        default=False,
        description="Whether measures return the values of characteristics, first the one that was changed last.",
    )
    violate_threshold: bool = Field(default=False, description="Whether the first measure violates a threshold rule.")


def completes_immediately(**more: object) -> Behaviour:
    """Return the behaviour of a system that answers the POST with the final state and the measures."""
    return Behaviour.model_validate({"initial_state": RunState.COMPLETED, **more})


def completes_by_callback(seconds: float = 0.2, **more: object) -> Behaviour:
    """Return the behaviour of a system that reports progress and completion by callbacks within `seconds`."""
    steps = (
        BehaviourStep(after=seconds / 2, state=RunState.IN_PROGRESS),
        BehaviourStep(after=seconds / 2, state=RunState.COMPLETED),
    )
    return Behaviour.model_validate({"transitions": steps, **more})


def stays_pending(seconds: float | None, **more: object) -> Behaviour:
    """Return the behaviour of a system that keeps a test pending for `seconds`; None: until it is cancelled."""
    steps = [BehaviourStep(after=0.1, state=RunState.PENDING)]
    if seconds is not None:
        steps += [
            BehaviourStep(after=seconds, state=RunState.IN_PROGRESS),
            BehaviourStep(after=0.1, state=RunState.COMPLETED),
        ]
    return Behaviour.model_validate({"transitions": tuple(steps), **more})


def rejects(*reasons: Reason) -> Behaviour:
    """Return the behaviour of a system that answers the POST with 422."""
    return Behaviour(refusals=reasons)
