"""Say how an external system treats the tests of one specification."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.base import Model
from schemas.results import Reason
from schemas.vocabulary import RunState

Seconds = Annotated[float, Field(ge=0)]
Times = Annotated[int, Field(ge=0)]


class BehaviourStep(Model):
    """After this long in the state before, the test moves on."""

    after: Seconds = 0.0
    state: RunState


class Behaviour(Model):
    """What happens to a test from its POST to its end.

    The obstacles come first, in the order of the fields; whatever is counted is counted per idempotency key,
    or per name where there is none. Then the POST is answered with `first_state`, and the `course` follows.
    """

    refusals: tuple[Reason, ...] = ()  # 422 with these reasons
    busy_times: Times = 0
    busy_status: Annotated[int, Field(ge=400, le=599)] = 503
    retry_after: Seconds | None = None  # told with `busy_status`
    reset_times: Times = 0  # the connection is reset after the request was read
    reset_stores: bool = False  # ... and the test exists nevertheless
    answer_after: Seconds = 0.0  # the test exists, the answer lets wait
    answer_status: Annotated[int, Field(ge=200, le=299)] = 201
    tells_id: bool = True  # False: the answer has neither body nor Location
    first_state: RunState = RunState.ACKNOWLEDGED
    course: tuple[BehaviourStep, ...] = ()
    notifies: bool = True  # False: has to be polled
    thin_events: bool = False  # events carry id, href and state, nothing else
    measures_apart: bool = False  # measures come in an event of their own, before the last state
    cancelable: bool = True
    changeable: bool = True
    values: dict[str, bool | int | float | str] = Field(default_factory=dict)  # metric name -> measured value
    echoes: bool = False  # measures show the characteristics, the one changed last before others
    violates: bool = False  # the first measure violates a threshold rule


def answers_at_once(**more: object) -> Behaviour:
    """Make a system that answers the POST with the final state and the measures."""
    return Behaviour.model_validate({"first_state": RunState.COMPLETED, **more})


def calls_back(after: float = 0.2, **more: object) -> Behaviour:
    """Make a system that acknowledges, and reports progress and completion by callbacks."""
    course = (
        BehaviourStep(after=after / 2, state=RunState.IN_PROGRESS),
        BehaviourStep(after=after / 2, state=RunState.COMPLETED),
    )
    return Behaviour.model_validate({"course": course, **more})


def waits(pending: float | None, **more: object) -> Behaviour:
    """Make a system that keeps a test pending for so many seconds; None: until it is cancelled."""
    course = [BehaviourStep(after=0.1, state=RunState.PENDING)]
    if pending is not None:
        course += [
            BehaviourStep(after=pending, state=RunState.IN_PROGRESS),
            BehaviourStep(after=0.1, state=RunState.COMPLETED),
        ]
    return Behaviour.model_validate({"course": tuple(course), **more})


def refuses(*reasons: Reason) -> Behaviour:
    """Make a system that answers 422."""
    return Behaviour(refusals=reasons)
