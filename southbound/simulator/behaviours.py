"""The behaviour of an external system for the tests of one specification."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Model
from schemas.results import Reason
from schemas.vocabulary import RunState

Seconds = Annotated[float, Field(ge=0)]
Repetitions = Annotated[int, Field(ge=0)]


class BehaviourStep(Model):
    """A transition to `state`, `after` seconds after the previous one."""

    after: Seconds = 0.0
    state: RunState


class Behaviour(Model):
    """What happens to a test from its POST to its end.

    The failures come first, in the order of the fields; each is counted per idempotency key, or per name without one.
    Then the POST is answered with `initial_state`, and the `transitions` follow.
    """

    refusals: tuple[Reason, ...] = ()  # 422 with these reasons
    busy_times: Repetitions = 0
    busy_status: Annotated[int, Field(ge=400, le=599)] = 503
    retry_after: Seconds | None = None  # sent with `busy_status`
    reset_times: Repetitions = 0  # the connection is reset after the request is read
    accept_before_reset: bool = False  # the test is created before the reset
    response_delay: Seconds = 0.0  # the test is created at once, the response is delayed
    response_status: Annotated[int, Field(ge=200, le=299)] = 201
    returns_id: bool = True  # False: the response has neither body nor Location
    initial_state: RunState = RunState.ACKNOWLEDGED
    transitions: tuple[BehaviourStep, ...] = ()
    notifies: bool = True  # False: the system has to be polled
    minimal_events: bool = False  # events have id, href and state only
    separate_measures_event: bool = False  # measures are sent in an event of their own, before the final state
    cancelable: bool = True
    cancel_status: Literal[200, 201, 202] = 201  # of the response to a task that cancels (v5.0)
    cancel_after: Seconds = 0.0  # until such a task has cancelled the test
    asks_for: tuple[str, ...] = ()  # JSON pointers that the system needs before the transitions (v5.0)
    changeable: bool = True
    values: dict[str, bool | int | float | str] = Field(default_factory=dict)  # metric name -> measured value
    echo_characteristics: bool = False  # measures return the values of characteristics, first the one changed last
    violate_threshold: bool = False  # the first measure violates a threshold rule


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
