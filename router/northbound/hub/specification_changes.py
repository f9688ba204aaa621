"""Plan what subscribers are notified of when a test specification is created, changed or deleted.

TMF653 4.x and 5.0 have the same three events; a change of `lifecycleStatus` is one of an attribute.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import orjson

from router.northbound.hub.event_body import event_body
from router.northbound.hub.event_query import matched_part
from router.northbound.hub.run_changes import HubChange, HubEventType
from router.northbound.hub.subscription import NewDelivery
from router.northbound.resource import href_of
from router.northbound.specification_resource import RESOURCE_NAME, to_specification_resource
from router.runs.ids import derive_event_id
from router.specifications.views import NEWER_NAME, OLDER_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from router.northbound.hub.plan import ReadQuery
    from router.northbound.hub.subscription import RunSubscription
    from schemas.published_tables import SpecificationRecord

_DIGEST_LENGTH = 16  # hexadecimal digits: a difference within one document is found, nobody is to be convinced


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedSpecification:
    """What subscribers were notified of about a specification.

    `kept` is what identifies it and what queries select by; None: it is deleted. `attributes` has a digest of each
    attribute, so that a change can name the one that differs; empty if they are not known.
    """

    revision: int
    kept: Mapping[str, object] | None = None
    attributes: Mapping[str, str]


class SpecificationNotice(NamedTuple):
    """A specification whose revision is not the announced one; `record` is None if it is deleted."""

    spec_id: str
    revision: int
    record: SpecificationRecord | None
    announced: AnnouncedSpecification | None


class SpecificationPlan(NamedTuple):
    """What is stored: the specification as it is announced now, and the deliveries."""

    announced: AnnouncedSpecification
    deliveries: tuple[NewDelivery, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecificationPlanner:
    """Plans deliveries about specifications; `thin`: events show only what identifies them."""

    base_url: str
    read_query: ReadQuery
    thin: bool = False

    def plan(
        self, notice: SpecificationNotice, subscriptions: Sequence[RunSubscription], now: datetime
    ) -> SpecificationPlan:
        """Return what is stored; changes since the last announcement are one event. `now` is when it was deleted."""
        record = None if notice.record is None else _with_plain_numbers(notice.record)
        notice = notice._replace(record=record)
        announced = AnnouncedSpecification(
            revision=notice.revision,
            kept=None if record is None else _kept(record),
            attributes={} if record is None else _digests(record),
        )
        change = _change_of(notice, announced)
        if change is None:
            return SpecificationPlan(announced)
        at = now if record is None else record.changed_at
        found = [
            self._delivery(subscription, change, notice, at)
            for subscription in subscriptions
            if subscription.created_at <= at  # specifications are those of all tenants
        ]
        return SpecificationPlan(announced, tuple([delivery for delivery in found if delivery is not None]))

    def _delivery(
        self, subscription: RunSubscription, change: HubChange, notice: SpecificationNotice, at: datetime
    ) -> NewDelivery | None:
        resource, query = self._resource(subscription, notice), self.read_query(subscription.query)
        if not query.matches(change.event_type, resource):
            return None
        body = event_body(change, resource, query, version=subscription.version, at=at, request_id=None, thin=self.thin)
        return NewDelivery(subscription.subscription_id, change.event_id, change.event_type, body)

    def _resource(self, subscription: RunSubscription, notice: SpecificationNotice) -> Mapping[str, object]:
        version = subscription.version
        if notice.record is not None:
            return to_specification_resource(notice.record, version, self.base_url)
        kept = (notice.announced.kept if notice.announced is not None else None) or {}
        return {**kept, "id": notice.spec_id, "href": href_of(notice.spec_id, version, self.base_url, RESOURCE_NAME)}


def _change_of(notice: SpecificationNotice, now: AnnouncedSpecification) -> HubChange | None:
    """Return the event between what was announced and what is; None if a subscriber would see no difference."""
    before = notice.announced
    existed = before is not None and before.kept is not None
    if notice.record is None:
        return _change(HubEventType.SPECIFICATION_DELETE, notice) if existed else None
    if before is None or not existed:
        return _change(HubEventType.SPECIFICATION_CREATE, notice)
    if not before.attributes:
        return _change(HubEventType.SPECIFICATION_CHANGE, notice)
    names = before.attributes.keys() | now.attributes.keys()
    changed = sorted(name for name in names if before.attributes.get(name) != now.attributes.get(name))
    if not changed:
        return None
    [*others, name] = changed
    path = OLDER_NAME if name == NEWER_NAME else name  # version 5 has no field path
    return _change(HubEventType.SPECIFICATION_CHANGE, notice, None if others else path)


def _change(event_type: HubEventType, notice: SpecificationNotice, field_path: str | None = None) -> HubChange:
    event_id = derive_event_id(f"{notice.spec_id}:{notice.revision}", event_type)
    return HubChange(event_type, event_id, field_path=field_path)


def _with_plain_numbers(record: SpecificationRecord) -> SpecificationRecord:
    """Return the record with whole numbers of more than 64 bits, which events cannot have, as other numbers."""
    return record.model_copy(update={"document": orjson.loads(json.dumps(record.document))})


def _kept(record: SpecificationRecord) -> dict[str, object]:
    return matched_part({"@type": "ServiceTestSpecification", **record.document, "id": record.id})


def _digests(record: SpecificationRecord) -> dict[str, str]:
    return {
        name: sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:_DIGEST_LENGTH]
        for name, value in record.document.items()
    }
