"""Builders of subscriptions and of published events: a test writes only what matters to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from consumers.northbound.hub.callback import read_query
from router.northbound.api_version import ApiVersion
from router.northbound.hub.plan import DeliveryPlanner
from router.northbound.hub.specification_changes import SpecificationPlanner
from router.northbound.hub.subscription import RunSubscription
from router.northbound.resource import to_resource
from router.runs.notifications.build import build_result, build_update
from router.runs.run import LastNotification, replace
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import NOON, a_run

if TYPE_CHECKING:
    from router.runs.run import RunRow
    from schemas.results import RunResult, RunUpdate

SPECIFICATIONS = SpecificationPlanner(base_url="", read_query=read_query)
PLANNER = DeliveryPlanner(show=to_resource, read_query=read_query)
PHASES = {
    RunState.ACKNOWLEDGED: Phase.ACCEPTED,
    RunState.PENDING: Phase.ACCEPTED,
    RunState.IN_PROGRESS: Phase.IN_PROGRESS,
    RunState.COMPLETED: Phase.FULFILLED,
    RunState.FAILED: Phase.FAILED,
}


def a_subscription(
    subscription_id: str = "S1",
    *,
    query: str = "",
    created_at: datetime = NOON - timedelta(days=1),
    **more: Any,  # noqa: ANN401 - any further field of a subscription
) -> RunSubscription:
    fields: dict[str, Any] = {
        "principal": "orders",
        "tenant": None,
        "callback": "https://orders.example/listener",
        "version": ApiVersion.V4_2,
        "next_attempt_at": created_at,
    }
    return RunSubscription(subscription_id=subscription_id, query=query, created_at=created_at, **(fields | more))


def published(
    *states: RunState,
    run_id: str = "TR0001",
    kinds: dict[int, UpdateKind] | None = None,
    **more: Any,  # noqa: ANN401 - any further field of a run
) -> list[tuple[RunUpdate | RunResult, RunRow]]:
    """Return what is published about a run that goes through these states, with its row at that time.

    An ended run has a result. Every second revision of a run leads to nothing that is published.
    """
    found: list[tuple[RunUpdate | RunResult, RunRow]] = []
    row = a_run(run_id, **more)
    for number, state in enumerate(states):
        at = NOON + timedelta(seconds=number + 1)
        row = replace(row, state=state, phase=PHASES[state], revision=2 * number + 2, updated_at=at)
        ended = state in {RunState.COMPLETED, RunState.FAILED}
        kind = (kinds or {}).get(number, UpdateKind.PROGRESS)
        notification = build_result(row) if ended else build_update(row, kind)
        row = replace(
            row, last_notification=LastNotification(cause="", process_id="", revision=row.revision, updates=())
        )
        found.append((notification, row))
    return found
