"""Fields of TMF653, and the extensions of it that are written and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.run_document import value_to_json
from schemas.vocabulary import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from schemas.run_document import Characteristic, RelatedParty, RequestedMeasure, RunDocument

CHILDREN = "childServiceTest"
RUN_ID = "testRunId"
ROOT_RUN_ID = "rootTestRunId"
PARENT_RUN_ID = "parentTestRunId"
REQUEST_ID = "requestId"
OUR_OWNER = "southbound"
# TMF630: an extension names its type, what it extends, and where it is defined.
RELATED_TYPE = {
    "@type": "RelatedServiceTest",
    "@baseType": "ServiceTest",
    "@schemaLocation": "urn:southbound:tmf653:RelatedServiceTest:1",
}
HIERARCHICAL_TYPE = {
    "@type": "HierarchicalServiceTest",
    "@baseType": "ServiceTest",
    "@schemaLocation": "urn:southbound:tmf653:HierarchicalServiceTest:1",
}


def without_nulls(**fields: object) -> dict[str, object]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def format_rfc3339(at: datetime | None) -> str | None:
    """Write a moment as TMF630 requires."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def characteristic(parameter: Characteristic) -> dict[str, object]:
    """Write one input parameter; its value may be null but not absent."""
    return {
        **without_nulls(name=parameter.name, valueType=parameter.value_type),
        "value": value_to_json(parameter.value),
    }


def our_characteristic(name: str, value: str) -> dict[str, object]:
    """Write an id of ours for systems that have no other field for it."""
    return {"name": name, "valueType": "string", "value": value}


def related_party(party: RelatedParty) -> dict[str, object]:
    """Write a `RelatedParty`."""
    return without_nulls(
        id=party.id, href=party.href, name=party.name, role=party.role, **{"@referredType": party.referred_type}
    )


def requested_measure(measure: RequestedMeasure, *, with_id: bool) -> dict[str, object]:
    """Write a `TestMeasure` without a value; its id is an extension that most v4 systems echo."""
    return without_nulls(
        id=measure.id if with_id else None,
        metricName=measure.metric_name,
        metricHref=measure.metric_href,
        unitOfMeasure=measure.unit_of_measure,
    )


def related_service(run: RunDocument) -> dict[str, object]:
    """Write a `ServiceRef`."""
    service = run.related_service
    return without_nulls(id=service.id, href=service.href, name=service.name, **{"@referredType": service.type})


def specification(run: RunDocument) -> dict[str, object]:
    """Write a `ServiceTestSpecificationRef`, which has no name in v4."""
    spec = run.test_specification
    return without_nulls(id=spec.id, href=spec.href, version=spec.version, **{"@referredType": spec.type})


# Fields that come with a run and are the same in every profile.
PLAIN_FIELDS: Mapping[str, Callable[[RunDocument], object]] = {
    "description": lambda run: run.description,
    "mode": lambda run: None if run.mode is Mode.UNKNOWN else run.mode.value,
    "startDateTime": lambda run: format_rfc3339(run.start_date_time),
    "endDateTime": lambda run: format_rfc3339(run.end_date_time),
    "relatedService": related_service,
    "testSpecification": specification,
    "relatedParty": lambda run: [related_party(one) for one in run.related_party],
}

# All of them, in the order of TMF653.
CREATE_FIELDS = ("name", *PLAIN_FIELDS, "characteristic", "testMeasure")
