"""Plan which deliveries follow from a published event of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from router.northbound.api_version import ApiVersion
from router.northbound.hub.event_body import event_body
from router.northbound.hub.event_query import matched_part
from router.northbound.hub.run_changes import (
    AnnouncedRun,
    HubEventType,
    announce,
    change_for,
    deletion_of,
    is_processed,
    lacks_predecessor,
    row_as_of,
)
from router.northbound.hub.subscription import NewDelivery
from router.northbound.order import RunView
from router.northbound.resource import kept_resource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from router.northbound.hub.event_query import EventQuery
    from router.northbound.hub.run_changes import HubChange
    from router.northbound.hub.subscription import RunSubscription
    from schemas.results import RunResult, RunUpdate


WrittenBodies = dict[tuple[str, str, ApiVersion, tuple[str, ...] | None], str]


class ShowRun(Protocol):
    """Shows a run as a resource of one version of TMF653."""

    def __call__(self, view: RunView, version: ApiVersion, /) -> Mapping[str, object]:
        """Return the resource."""


class ReadQuery(Protocol):
    """Reads the text of a subscription's query, which was valid when it was stored."""

    def __call__(self, text: str, /) -> EventQuery:
        """Return the query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNotice:
    """A published event of a run, with the run; `may_wait` if it may be read again because another one precedes."""

    event_id: str
    notification: RunUpdate | RunResult
    view: RunView
    may_wait: bool = True

    @property
    def created_at(self) -> datetime:
        """When the run was stored, or ordered if it was refused."""
        return self.view.row.created_at if self.view.row is not None else self.view.created_at

    @property
    def view_then(self) -> RunView:
        """The run as it was when the event was published, as far as the event shows it."""
        row = self.view.row
        return self.view if row is None else RunView(row=row_as_of(row, self.notification), order=self.view.order)


class Plan(NamedTuple):
    """What is stored for an event: the run as last announced (None: unchanged), its kept fields, and the deliveries."""

    announced: AnnouncedRun | None = None
    kept: Mapping[str, object] | None = None
    deliveries: tuple[NewDelivery, ...] = ()
    waits: bool = False  # nothing is stored, an earlier event of the run is still to be read
    overtaken: bool = False  # an earlier event was not read in time: it is not announced any more


class GoneRun(NamedTuple):
    """A run that was announced and that the run store does not have any more."""

    run_id: str
    tenant: str | None
    state: str
    kept: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPlanner:
    """Plans deliveries; `thin`: events show only what changed, unless the query of a subscription names fields."""

    show: ShowRun
    read_query: ReadQuery
    thin: bool = False

    def plan(self, notice: RunNotice, announced: AnnouncedRun | None, subscriptions: Sequence[RunSubscription]) -> Plan:
        """Return what is stored for the event."""
        notification = notice.notification
        if not subscriptions or is_processed(announced, notice.event_id, notification):
            return Plan()
        early = lacks_predecessor(announced, notification, notice.created_at, subscriptions)
        if early and notice.may_wait:
            return Plan(waits=True)
        view = notice.view_then
        shown = {version: self.show(view, version) for version in {ApiVersion.V4_2, *_versions(subscriptions)}}
        state = str(shown[ApiVersion.V4_2].get("state"))
        run, changes = announce(announced, notice.event_id, notification, state)
        bodies: WrittenBodies = {}
        deliveries = [
            delivery
            for change in changes
            for subscription in subscriptions
            if subscription.created_at <= notification.occurred_at and subscription.covers(view.tenant)
            if (
                delivery := self._delivery(
                    subscription,
                    change,
                    shown[subscription.version],
                    bodies,
                    at=notification.occurred_at,
                    request_id=notification.request_id,
                )
            )
        ]
        kept = matched_part(shown[ApiVersion.V4_2])
        return Plan(announced=run, kept=kept, deliveries=tuple(deliveries), overtaken=early)

    def deletions(
        self, at: datetime, run: GoneRun, subscriptions: Sequence[RunSubscription]
    ) -> tuple[NewDelivery, ...]:
        """Return the deliveries about a run that was deleted at this moment."""
        change, bodies = deletion_of(run.run_id, run.state), WrittenBodies()
        made = [
            self._delivery(
                subscription, change, kept_resource(run.kept, subscription.version), bodies, at=at, request_id=None
            )
            for subscription in subscriptions
            if subscription.covers(run.tenant)
        ]
        return tuple([delivery for delivery in made if delivery is not None])

    def _delivery(
        self,
        subscription: RunSubscription,
        change: HubChange,
        resource: Mapping[str, object],
        bodies: WrittenBodies,
        *,
        at: datetime,
        request_id: str | None,
    ) -> NewDelivery | None:
        query, shown_as = self.read_query(subscription.query), change_for(subscription.version, change)
        if change.event_type is HubEventType.CREATE:
            resource = {**resource, "state": change.state}
        # A query of 4.1 may also name the type of 4.2: it would be silent otherwise.
        if not any(query.matches(each.event_type, resource) for each in (change, shown_as)):
            return None
        # Written once for all subscribers that get the same: it may have a megabyte.
        form = (shown_as.event_id, shown_as.event_type, subscription.version, query.fields)
        if form not in bodies:
            bodies[form] = event_body(
                shown_as, resource, query, version=subscription.version, at=at, request_id=request_id, thin=self.thin
            )
        return NewDelivery(subscription.subscription_id, shown_as.event_id, shown_as.event_type, bodies[form])


def _versions(subscriptions: Sequence[RunSubscription]) -> set[ApiVersion]:
    return {subscription.version for subscription in subscriptions}
