"""Write runs as TMF653 `ServiceTest`, by version.

What TMF653 has no field for is written as characteristics whose names begin with `southbound.`; those that a client
sends back are ignored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from router.northbound.api_version import ApiVersion
from router.northbound.other_attributes import other_attributes_of
from router.runs.hierarchy import child_ids
from schemas.characteristic_types import characteristic_type
from schemas.results import AppliedConsequence
from schemas.run_document import value_to_json
from schemas.vocabulary import Mode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from router.northbound.order import RunView
    from router.runs.run import RunRow
    from schemas.results import Reason, ReportedMeasure, RuleViolation
    from schemas.run_document import RelatedParty, RequestedMeasure, RunDocument

Resource = dict[str, object]

OUR_PREFIX = "southbound."
# TMF630: an extension of v4 names its type, what it extends, and where it is defined.
EXTENDED_TYPE: Mapping[str, object] = {
    "@type": "RelatedServiceTest",
    "@baseType": "ServiceTest",
    "@schemaLocation": "urn:southbound:tmf653:RelatedServiceTest:1",
}
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+")  # RFC 3986 §2.3
ALWAYS_SHOWN = frozenset({"id", "href", "@type"})


def to_resource(view: RunView, version: ApiVersion, base_url: str = "") -> Resource:
    """Return a run as `ServiceTest`; `base_url` goes before the paths of `href`."""
    document = view.document
    resource: Resource = {
        "id": view.run_id,
        "href": href_of(view.run_id, version, base_url),
        "name": document.name,
        "state": view.state.value,
        "relatedService": _related_service(document, version),
        "testSpecification": _specification(document, version),
    }
    optional = {
        "description": document.description,
        "mode": None if document.mode is Mode.UNKNOWN else document.mode.value,
        "startDateTime": _moment(document.start_date_time),
        "endDateTime": _moment(document.end_date_time),
        "validFor": _valid_for(document),
        "characteristic": [*_characteristics(document, version), *_our_characteristics(view, version)],
        "relatedParty": [_related_party(party, version) for party in document.related_party],
        "testMeasure": _measures(view, version),
        "externalIdentifier": _external_identifiers(view, version),
        "serviceTestRelationship": _relationships(view, version, base_url),
    }
    resource |= {name: value for name, value in optional.items() if value not in (None, [])}
    is_extended = "serviceTestRelationship" in resource or "externalIdentifier" in resource
    return {**resource, **(EXTENDED_TYPE if is_extended and not version.is_v5 else {"@type": "ServiceTest"})}


def href_of(resource_id: str, version: ApiVersion, base_url: str = "", resource: str = "serviceTest") -> str:
    """Return the address of a run."""
    # Run ids of other services may have any character.
    return f"{base_url}{version.base}/{resource}/{percent_encoded(resource_id)}"


def kept_resource(kept: Mapping[str, object], version: ApiVersion) -> Mapping[str, object]:
    """Return what is kept of a deleted run, which is as version 4 shows it, as this version shows it."""
    if not version.is_v5:
        return kept
    references = {"relatedService": "ServiceRef", "testSpecification": "ServiceTestSpecificationRef"}
    typed = {
        name: {**value, **_typed(version, kind)}
        for name, kind in references.items()
        if isinstance(value := kept.get(name), dict)
    }
    base, found, rest = str(kept.get("href", "")).rpartition(f"{ApiVersion.V4_2.base}/serviceTest/")
    href = {"href": f"{base}{version.base}/serviceTest/{rest}"} if found else {}
    return {**kept, **href, **typed, "@type": "ServiceTest"}


def select_fields(resource: Resource, fields: Collection[str] | None) -> Resource:
    """Return the resource with these first-level fields, and what identifies it; None: all of them."""
    if fields is None:
        return resource
    return {name: value for name, value in resource.items() if name in fields or name in ALWAYS_SHOWN}


def percent_encoded(text: str) -> str:
    """Return a text with every character percent-encoded that RFC 3986 §2.3 does not leave as it is."""
    if _UNRESERVED.fullmatch(text):
        return text
    return "".join(
        character if _UNRESERVED.fullmatch(character) else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in text
    )


def _moment(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def _without_nulls(fields: Mapping[str, object]) -> Resource:
    return {name: value for name, value in fields.items() if value is not None}


def _typed(version: ApiVersion, name: str) -> Resource:
    return {"@type": name} if version.is_v5 else {}


def _related_service(document: RunDocument, version: ApiVersion) -> Resource:
    service = document.related_service
    plain = {"id": service.id, "href": service.href, "name": service.name, "@referredType": service.type}
    return _without_nulls(plain) | _typed(version, "ServiceRef")


def _specification(document: RunDocument, version: ApiVersion) -> Resource:
    spec = document.test_specification
    plain = {
        "id": spec.id,
        "href": spec.href,
        "name": spec.name,
        "version": spec.version,
        "@referredType": spec.type,
    }
    return _without_nulls(plain) | _typed(version, "ServiceTestSpecificationRef")


def _valid_for(document: RunDocument) -> Resource | None:
    period = document.valid_for
    if period is None:
        return None
    return _without_nulls(
        {"startDateTime": _moment(period.start_date_time), "endDateTime": _moment(period.end_date_time)}
    )


def _characteristics(document: RunDocument, version: ApiVersion) -> list[Resource]:
    shown = [
        _characteristic(each.name, value_to_json(each.value), each.value_type, version)
        for each in document.characteristic
    ]
    return shown if document.other_attributes is None else _with_others(shown, document, "characteristic")


def _with_others(shown: list[Resource], document: RunDocument, name: str) -> list[Resource]:
    """Return entries with the attributes that a document has no field for."""
    others = other_attributes_of(document).get(name, {})
    return [{**entry, **others.get(str(place), {})} for place, entry in enumerate(shown)]


def _characteristic(name: str, value: object, value_type: str | None, version: ApiVersion) -> Resource:
    plain = _without_nulls({"name": name, "valueType": value_type}) | {"value": value}
    return plain | {"@type": characteristic_type(value)} if version.is_v5 else plain


def _related_party(party: RelatedParty, version: ApiVersion) -> Resource:
    if not version.is_v5:
        return _without_nulls(
            {
                "id": party.id,
                "href": party.href,
                "name": party.name,
                "role": party.role,
                "@referredType": party.referred_type,
            }
        )
    reference = {"id": party.id, "href": party.href, "name": party.name, "@referredType": party.referred_type}
    return _without_nulls(
        {
            "role": party.role,
            "partyOrPartyRole": _without_nulls(reference) | {"@type": "PartyRef"},
            "@type": "RelatedPartyRefOrPartyRoleRef",
        }
    )


def _our_characteristics(view: RunView, version: ApiVersion) -> list[Resource]:
    found = {"version": view.document.version, "rootRunId": view.document.root_run_id}
    values: dict[str, object] = found | (_row_values(view.row) if view.row is not None else {}) | _refusal_values(view)
    if view.is_cancelled and not view.has_ended:
        values["cancelRequested"] = True
    if view.document.tenant is not None:
        values["tenant"] = view.document.tenant
    shown = ((OUR_PREFIX + name, value) for name, value in values.items() if value is not None)
    return [_characteristic(name, value, _value_type(value), version) for name, value in shown]


def _value_type(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "integer" if isinstance(value, int) else "array" if isinstance(value, list) else "string"


def _row_values(row: RunRow) -> dict[str, object]:
    decision = row.decision
    return {
        "requestId": row.request_id,
        "phase": row.phase.value,
        "result": row.result.value if row.result else None,
        "spoke": row.spoke or None,
        "policyDecision": decision.policy if decision else None,
        "selectorDecision": decision.selector if decision else None,
        "hierarchical": decision.hierarchical if decision else None,
        "externalId": row.external_id,
        "acceptedVersion": row.accepted_version or None,
        "acceptedAt": _moment(row.accepted_at),
        "finishedAt": _moment(row.finished_at),
        "revision": row.revision,
        "reasons": _reasons(row.reasons) or None,
    }


def _refusal_values(view: RunView) -> dict[str, object]:
    if view.refusal is not None:
        return {"finishedAt": _moment(view.refusal.at), "reasons": _reasons(view.refusal.reasons)}
    return {} if view.change_refusal is None else {"refusedChange": _reasons(view.change_refusal.reasons)}


def _reasons(reasons: Iterable[Reason]) -> list[Resource]:
    return [_reason(each.code, each.message, each.property_path) for each in reasons]


def _reason(code: str, message: str, path: str | None) -> Resource:
    return _without_nulls({"code": code, "message": message, "propertyPath": path})


def _measures(view: RunView, version: ApiVersion) -> list[Resource]:
    """Return the requested measures in their order, with what was reported, and then the others that were reported."""
    reported = {measure.id: measure for measure in (view.row.measures if view.row else ())}
    requested = {measure.id: measure for measure in view.document.test_measure}
    ids = (*requested, *(measure_id for measure_id in reported if measure_id not in requested))
    shown = [_measure(requested.get(each), reported.get(each), version) for each in ids]
    return shown if view.document.other_attributes is None else _with_others(shown, view.document, "testMeasure")


def _measure(requested: RequestedMeasure | None, reported: ReportedMeasure | None, version: ApiVersion) -> Resource:
    fields: Resource = {}
    if requested is not None:
        fields = {
            "id": requested.id,
            "metricName": requested.metric_name,
            "metricHref": requested.metric_href,
            "unitOfMeasure": requested.unit_of_measure,
            "testMeasureDefinitionId": requested.definition_id if version.is_v5 else None,
        }
    if reported is not None:
        fields |= _without_nulls(_reported_fields(reported, version)) | {
            name: fields[name] for name in ("metricName", "metricHref") if fields.get(name) is not None
        }
    if version.is_v5 and fields.get("metricHref"):
        fields["metricUri"] = fields["metricHref"]
    return _without_nulls(fields) | _typed(version, "TestMeasure")


def _reported_fields(measure: ReportedMeasure, version: ApiVersion) -> Resource:
    value = _characteristic(
        measure.metric_name or measure.id, value_to_json(measure.value), measure.value_type, version
    )
    return {
        "id": measure.id,
        "metricName": measure.metric_name,
        "metricHref": measure.metric_href,
        "unitOfMeasure": measure.unit_of_measure,
        "accuracy": measure.accuracy,
        "captureDateTime": _moment(measure.capture_date_time),
        "captureMethod": measure.capture_method,
        "value": value if measure.value is not None else None,
        "ruleViolation": [_violation(each, version) for each in measure.rule_violation] or None,
    }


def _violation(violation: RuleViolation, version: ApiVersion) -> Resource:
    period = violation.tolerance_period
    plain = {
        "id": violation.id,
        "name": violation.name,
        "description": violation.description,
        "thresholdRuleSeverity": violation.severity,
        "conformanceTargetLower": violation.conformance_target_lower,
        "conformanceTargetUpper": violation.conformance_target_upper,
        "conformanceTargetExact": violation.conformance_target_exact,
        "conformanceComparatorLower": violation.conformance_comparator_lower,
        "conformanceComparatorUpper": violation.conformance_comparator_upper,
        "conformanceComparatorExact": violation.conformance_comparator_exact,
        "numberOfAllowedCrossing": violation.number_of_allowed_crossing,
        "tolerancePeriod": _without_nulls({"amount": period.amount, "units": period.units}) if period else None,
        "appliedConsequence": [_consequence(each, version) for each in _consequences(violation)] or None,
    }
    return _without_nulls(plain) | _typed(version, "MeasureThresholdRuleViolation")


def _consequences(violation: RuleViolation) -> tuple[AppliedConsequence, ...]:
    """Return the consequences one by one; a violation that an earlier version stored has only their text."""
    if violation.applied_consequence or not violation.consequence:
        return violation.applied_consequence
    return (AppliedConsequence(applied_action=violation.consequence),)


def _consequence(consequence: AppliedConsequence, version: ApiVersion) -> Resource:
    plain = {
        "id": consequence.id,
        "name": consequence.name,
        "description": consequence.description,
        "appliedAction": consequence.applied_action,
        "repeatAction": consequence.repeat_action,
    }
    return _without_nulls(plain) | _typed(version, "AppliedConsequence")


def _external_identifiers(view: RunView, version: ApiVersion) -> list[Resource]:
    found: list[Resource] = []
    if view.order is not None and view.order.external_id is not None:
        found.append({"id": view.order.external_id, "externalIdentifierType": "orderingSystem"})
    if view.row is not None and view.row.external_id is not None:
        owner = {"owner": view.row.spoke}
        found.append({"id": view.row.external_id, **owner, "externalIdentifierType": "testSystem"})
    return [each | _typed(version, "ExternalIdentifier") for each in found]


def _relationships(view: RunView, version: ApiVersion, base_url: str) -> list[Resource]:
    document = view.document
    related = [(document.parent_run_id, "parent")] if document.parent_run_id else []
    # The row of a root that was sent does not carry its children; its order does.
    documents = [document] if view.order is None else [document, view.order.document]
    children = dict.fromkeys(run_id for each in documents for run_id in child_ids(each))
    related += [(run_id, "child") for run_id in children]
    return [
        {
            "id": run_id,
            "href": href_of(run_id, version, base_url),
            "relationshipType": "dependency",
            "role": role,
            "@type": "ServiceTestRelationship",
            "@referredType": "ServiceTest",
        }
        for run_id, role in related
    ]
