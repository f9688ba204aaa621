"""Fields of TMF653, and the extensions of it that are written and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.characteristic_types import characteristic_type
from schemas.run_document import value_to_json
from schemas.vocabulary import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from consumers.spokes.tmf653.versions import TmfVersion
    from schemas.run_document import Characteristic, RelatedParty, RequestedMeasure, RunDocument, ValidityPeriod

CHILDREN = "childServiceTest"
RUN_ID = "testRunId"
ROOT_RUN_ID = "rootTestRunId"
PARENT_RUN_ID = "parentTestRunId"
REQUEST_ID = "requestId"
OUR_OWNER = "southbound"
# Types of TMF632; all others, such as a customer, are roles of a party.
_PARTIES = frozenset({"party", "individual", "organization"})
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


def characteristic(version: TmfVersion, parameter: Characteristic) -> dict[str, object]:
    """Write one input parameter; its value may be null but not absent, except in 5.0, where null has no type."""
    return _characteristic(version, parameter.name, parameter.value_type, value_to_json(parameter.value))


def our_characteristic(version: TmfVersion, name: str, value: str) -> dict[str, object]:
    """Write an id of ours for systems that have no other field for it."""
    return _characteristic(version, name, "string", value)


def _characteristic(version: TmfVersion, name: str, value_type: str | None, value: object) -> dict[str, object]:
    named = without_nulls(name=name, valueType=value_type)
    if not version.typed:
        return {**named, "value": value}
    return {**named, **without_nulls(value=value), "@type": characteristic_type(value)}


def related_party(version: TmfVersion, party: RelatedParty) -> dict[str, object]:
    """Write a `RelatedParty`; 5.0 requires a role, so one without is related by its type."""
    plain = without_nulls(
        id=party.id, href=party.href, name=party.name, role=party.role, **{"@referredType": party.referred_type}
    )
    if not version.nested_parties:
        return plain
    reference = {name: value for name, value in plain.items() if name != "role"}
    kind = "PartyRef" if party.referred_type.casefold() in _PARTIES else "PartyRoleRef"
    return {
        "role": party.role or party.referred_type,
        "partyOrPartyRole": reference | version.type_of(kind),
        **version.type_of("RelatedPartyRefOrPartyRoleRef"),
    }


def requested_measures(
    version: TmfVersion, run: RunDocument, *, with_ids: bool, with_definition_ids: bool
) -> list[dict[str, object]]:
    """Write the measures of a run; a definition is named at most once, as 5.0 requires."""
    named: set[str | None] = set()
    written = []
    for measure in run.test_measure:
        definition = measure.definition_id if with_definition_ids and measure.definition_id not in named else None
        named.add(definition)
        written.append(_requested_measure(version, measure, definition, with_id=with_ids))
    return written


def _requested_measure(
    version: TmfVersion, measure: RequestedMeasure, definition_id: str | None, *, with_id: bool
) -> dict[str, object]:
    """Write a `TestMeasure` without a value; its id is an extension that most v4 systems echo."""
    fields = {
        "id": measure.id if with_id else None,
        "testMeasureDefinitionId": definition_id,
        "metricName": measure.metric_name,
        version.metric_address: measure.metric_href,
        "unitOfMeasure": measure.unit_of_measure,
    }
    return without_nulls(**fields) | version.type_of("TestMeasure")


def valid_for(period: ValidityPeriod | None) -> dict[str, object] | None:
    """Write a `TimePeriod`."""
    if period is None:
        return None
    return without_nulls(
        startDateTime=format_rfc3339(period.start_date_time), endDateTime=format_rfc3339(period.end_date_time)
    )


def related_service(version: TmfVersion, run: RunDocument) -> dict[str, object]:
    """Write a `ServiceRef`."""
    service = run.related_service
    reference = without_nulls(id=service.id, href=service.href, name=service.name, **{"@referredType": service.type})
    return reference | version.type_of("ServiceRef")


def specification(version: TmfVersion, run: RunDocument) -> dict[str, object]:
    """Write a `ServiceTestSpecificationRef`, which has no name in v4."""
    spec = run.test_specification
    name = spec.name if version.specification_names else None
    reference = without_nulls(
        id=spec.id, href=spec.href, name=name, version=spec.version, **{"@referredType": spec.type}
    )
    return reference | version.type_of("ServiceTestSpecificationRef")


def external_identifier(version: TmfVersion, run: RunDocument) -> dict[str, object]:
    """Write our id of a run as an `ExternalIdentifier`."""
    identifier = {"id": run.run_id, "owner": OUR_OWNER, "externalIdentifierType": RUN_ID}
    return identifier | version.type_of("ExternalIdentifier")


# Fields that come with a run and are the same in every profile.
PLAIN_FIELDS: Mapping[str, Callable[[TmfVersion, RunDocument], object]] = {
    "description": lambda _, run: run.description,
    "mode": lambda _, run: None if run.mode is Mode.UNKNOWN else run.mode.value,
    "startDateTime": lambda _, run: format_rfc3339(run.start_date_time),
    "endDateTime": lambda _, run: format_rfc3339(run.end_date_time),
    "validFor": lambda _, run: valid_for(run.valid_for),
    "relatedService": related_service,
    "testSpecification": specification,
    "relatedParty": lambda version, run: [related_party(version, one) for one in run.related_party],
}

# All of them, in the order of TMF653.
CREATE_FIELDS = ("name", *PLAIN_FIELDS, "characteristic", "testMeasure")
