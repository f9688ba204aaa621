"""Decide what a `ServiceTest` that arrives as an event means: an order, a change, a cancellation, or nothing.

An event shows the run as the ordering system has it. So the first one orders the run, and a later one changes it to
what it shows, or cancels it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING

from router.northbound.api_version import ApiVersion
from router.northbound.change import CHANGEABLE, CancelWanted, DocumentWanted, Unchanged, next_version, plan_change
from router.northbound.resource import to_resource
from router.runs.ids import derive_event_id
from router.runs.processed_events import has_been_processed
from router.runs.states import normalise_state
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from router.northbound.order import RunView
    from router.northbound.service_test_body import BodyReader
    from schemas.text.json_types import JsonMapping


READ_AS = ApiVersion.V5  # it reads the shapes of version 4, too, and does not insist on the href of a metric
MAX_WAYS = 5  # four clusters, and what is redriven
_MAX_DERIVED_IDS = 16  # of one way
_MILLISECONDS = 1_000  # in a second
_VERSIONS = 1_000  # that a run can have in one millisecond


class Ignored(StrEnum):
    """Why an arrival leads to nothing."""

    DUPLICATE = "duplicate"  # it has led to something before
    STALE = "stale"  # a newer one has come before it
    UNCHANGED = "unchanged"  # the run is as it shows
    ENDED = "ended"  # the run has ended or is cancelled
    NOT_ORDERED = "not_ordered"  # the run is not known, and its state orders nothing


@dataclass(frozen=True, slots=True)
class OrderWanted:
    """The run is not known: the arrival orders it."""


ArrivalPlan = OrderWanted | DocumentWanted | CancelWanted | Ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A `ServiceTest` that arrived. `event_id` is the same each time that the same event arrives.

    `way` is the way on which it arrived, such as one of two clusters. `at` is when its content was true, if arrivals
    may overtake each other; None: they arrive in their order.
    """

    event_id: str
    body: JsonMapping
    way: int = 0
    at: datetime | None = None

    @property
    def least_version(self) -> int:
        """The lowest version that the run gets by this arrival."""
        return 1 if self.at is None else max(1, int(self.at.timestamp() * _MILLISECONDS) * _VERSIONS)

    def derived_ids(self) -> Iterator[str]:
        """Yield the ids of what the arrival leads to, in the order of their use."""
        # Each way has its own ids: the event of an order has one content, and the same arrival may have another time
        # on another way.
        return self._ids_of(self.way, count())

    def all_derived_ids(self) -> Iterator[str]:
        """Yield the ids of what the arrival leads to on any way, as many as it uses unless others change its run."""
        for way in range(MAX_WAYS):
            yield from self._ids_of(way, range(_MAX_DERIVED_IDS))

    def _ids_of(self, way: int, numbers: Iterable[int]) -> Iterator[str]:
        for number in numbers:
            yield derive_event_id(self.event_id, f"order:{way}:{number}")


def plan_arrival(
    view: RunView | None, arrival: Arrival, reader: BodyReader, ordering_states: Collection[RunState]
) -> ArrivalPlan:
    """Return what an arrival means for its run; None: it is not known.

    Raises:
        ApiRefusedError: 400 for a body that breaks a rule of TMF653, with every mistake and its place.
    """
    state = arrival.body.get("state")
    if view is None:
        return OrderWanted() if _orders(state, ordering_states) else Ignored.NOT_ORDERED
    if _has_been_taken(view, arrival):
        return Ignored.DUPLICATE
    if arrival.at is not None and _was_overtaken(arrival, newest=next_version(view) - 1):
        return Ignored.STALE
    if view.has_ended or view.is_cancelled:
        return Ignored.ENDED
    if isinstance(state, str) and normalise_state(state) is RunState.CANCELLED:
        return CancelWanted()
    resource = to_resource(view, READ_AS)
    body = without_results(arrival.body)
    shown = {name: body[name] for name in CHANGEABLE if name in body}
    plan = plan_change(view, resource, {**resource, **shown}, reader)
    return Ignored.UNCHANGED if isinstance(plan, Unchanged) else plan


def without_results(body: JsonMapping) -> JsonMapping:
    """Return a `ServiceTest` without measures that have values: Southbound wrote them back, and they order nothing."""
    measures = body.get("testMeasure")
    items = measures if isinstance(measures, list) else ()
    if not any(isinstance(item, dict) and item.get("value") not in (None, "") for item in items):
        return body
    return {name: value for name, value in body.items() if name != "testMeasure"}


def is_cancelled(body: JsonMapping) -> bool:
    """Return whether a `ServiceTest` shows a cancelled run."""
    state = body.get("state")
    return isinstance(state, str) and normalise_state(state) is RunState.CANCELLED


def _orders(state: object, ordering_states: Collection[RunState]) -> bool:
    if state is None:
        return True
    # What is no text is a mistake, which the order is refused for.
    return not isinstance(state, str) or normalise_state(state) in ordering_states


def _was_overtaken(arrival: Arrival, newest: int) -> bool:
    return arrival.least_version < newest - newest % _VERSIONS


def _has_been_taken(view: RunView, arrival: Arrival) -> bool:
    """Return whether an arrival of this id has led to an event about the run before."""
    ids = set(arrival.all_derived_ids())
    # An arrival is the key of the order that it placed; later changes of the order keep it.
    if view.order is not None and (view.order.event_id in ids or view.order.idempotency_key == arrival.event_id):
        return True
    return view.row is not None and any(has_been_processed(view.row, each) for each in ids)
