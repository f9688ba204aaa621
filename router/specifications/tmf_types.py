"""The types of a `ServiceTestSpecification` as data: the attributes of TMF653 4.1 and 4.2, and those of 5.0.

What is checked, what 5.0 shows and what the OpenAPI document says are read from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TEXT_LENGTH = 4_000  # as ServiceNow bounds descriptions
MAX_ID_LENGTH = 200
MAX_MEASURES = 500
MAX_RULES = 50  # of one measure
MAX_CHARACTERISTICS = 200
MAX_VALUES = 100  # of one characteristic
MAX_ENTRIES = 200  # of every other list


class Leaf(StrEnum):
    """The kinds of values that have no attributes."""

    ANY = "any"
    TEXT = "text"
    CONTENT = "content"  # a text that only the size of the document bounds
    NAME = "name"  # a text that is not blank
    ID = "id"
    BOOLEAN = "boolean"
    FLAG = "flag"  # a Boolean, for which ServiceNow writes "0" and "1" too
    WHOLE = "whole"
    COUNT = "count"  # a whole number that is not negative
    MOMENT = "moment"
    PERIOD = "period"  # of which runs take something, so its unit must be known
    DURATION = "duration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """An attribute: a leaf, or an object of the type with this name. `most`: it is a list with at most so many."""

    of: Leaf | str
    required: bool = False
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TmfType:
    """A type. `v5_type` is the `@type` that version 5 requires; None: it requires none."""

    attributes: Mapping[str, Attribute]
    v5_type: str | None = None


VALUE_SPECIFICATION = "CharacteristicValueSpecification"
PARTY, ATTACHMENT = "RelatedParty", "AttachmentRefOrValue"
ROOT = "ServiceTestSpecification"


def _leaves(kind: Leaf, *names: str) -> dict[str, Attribute]:
    return {name: Attribute(of=kind) for name in names}


def _list(of: str, most: int = MAX_ENTRIES, *, required: bool = False) -> Attribute:
    return Attribute(of=of, most=most, required=required)


_EXTENSIBLE = _leaves(Leaf.TEXT, "@type", "@baseType", "@schemaLocation")
_NAMED = _leaves(Leaf.TEXT, "name", "description")
_LINK = _leaves(Leaf.TEXT, "id", "href", "name", "@referredType") | _EXTENSIBLE
_REFERENCE = _LINK | {"id": Attribute(of=Leaf.ID, required=True)}
_VALID_FOR = {"validFor": Attribute(of="TimePeriod")}
_RELATIONSHIP = _LINK | _VALID_FOR | _leaves(Leaf.TEXT, "role")
_RELATIONSHIP |= {"relationshipType": Attribute(of=Leaf.NAME, required=True)}
_VERSIONED = _REFERENCE | _leaves(Leaf.TEXT, "version")

TYPES: Mapping[str, TmfType] = {
    ROOT: TmfType(
        v5_type=ROOT,
        attributes={
            "id": Attribute(of=Leaf.ID, required=True),
            "name": Attribute(of=Leaf.NAME, required=True),
            **_leaves(Leaf.TEXT, "href", "description", "version", "lifecycleStatus"),
            **_EXTENSIBLE,
            **_VALID_FOR,
            "isBundle": Attribute(of=Leaf.BOOLEAN),
            "lastUpdate": Attribute(of=Leaf.MOMENT),
            "attachment": _list(ATTACHMENT),
            "constraint": _list("ConstraintRef"),
            "entitySpecRelationship": _list("EntitySpecificationRelationship"),
            "relatedParty": _list(PARTY),
            "relatedServiceSpecification": _list("ServiceSpecificationRef", required=True),
            "serviceTestSpecRelationship": _list("ServiceTestSpecRelationship"),
            "specCharacteristic": _list("CharacteristicSpecification", MAX_CHARACTERISTICS),
            "targetEntitySchema": Attribute(of="TargetEntitySchema"),
            "testMeasureDefinition": _list("TestMeasureDefinition", MAX_MEASURES),
            # Extensions of ours.
            "expectedDuration": Attribute(of=Leaf.PERIOD),
            "timeOut": Attribute(of=Leaf.PERIOD),
        },
    ),
    "TimePeriod": TmfType(attributes=_leaves(Leaf.MOMENT, "startDateTime", "endDateTime")),
    "Quantity": TmfType(attributes={"amount": Attribute(of=Leaf.ANY), "units": Attribute(of=Leaf.TEXT)}),
    "TargetEntitySchema": TmfType(
        attributes={name: Attribute(of=Leaf.NAME, required=True) for name in ("@type", "@schemaLocation")}
    ),
    "ServiceSpecificationRef": TmfType(v5_type="ServiceSpecificationRef", attributes=_VERSIONED),
    "ConstraintRef": TmfType(v5_type="ConstraintRef", attributes=_VERSIONED),
    "AssociationSpecificationRef": TmfType(v5_type="AssociationSpecificationRef", attributes=_REFERENCE),
    "EntitySpecificationRelationship": TmfType(
        attributes={**_RELATIONSHIP, "associationSpec": Attribute(of="AssociationSpecificationRef")}
    ),
    "ServiceTestSpecRelationship": TmfType(v5_type="ServiceTestSpecificationRelationship", attributes=_RELATIONSHIP),
    # Of 4.x; that of 5.0 has `role` and `partyOrPartyRole`.
    PARTY: TmfType(
        attributes={
            **_REFERENCE,
            "@referredType": Attribute(of=Leaf.NAME, required=True),
            **_leaves(Leaf.TEXT, "role"),
        }
    ),
    ATTACHMENT: TmfType(
        attributes={
            **_LINK,
            **_NAMED,
            **_VALID_FOR,
            **_leaves(Leaf.TEXT, "attachmentType", "mimeType", "url"),
            "content": Attribute(of=Leaf.CONTENT),
            "size": Attribute(of="Quantity"),
        }
    ),
    "CharacteristicSpecification": TmfType(
        v5_type="CharacteristicSpecification",
        attributes={
            **_leaves(Leaf.TEXT, "id", "description", "regex", "valueType", "@valueSchemaLocation"),
            **_EXTENSIBLE,
            **_VALID_FOR,
            "name": Attribute(of=Leaf.NAME, required=True),
            **_leaves(Leaf.BOOLEAN, "configurable", "extensible", "isUnique"),
            **_leaves(Leaf.COUNT, "minCardinality", "maxCardinality"),
            "charSpecRelationship": _list("CharacteristicSpecificationRelationship"),
            "characteristicValueSpecification": _list(VALUE_SPECIFICATION, MAX_VALUES),
        },
    ),
    "CharacteristicSpecificationRelationship": TmfType(
        v5_type="CharacteristicSpecificationRelationship",
        attributes=_leaves(
            Leaf.TEXT,
            *("characteristicSpecificationId", "name", "parentSpecificationHref"),
            *("parentSpecificationId", "relationshipType"),
        )
        | _EXTENSIBLE
        | _VALID_FOR,
    ),
    VALUE_SPECIFICATION: TmfType(
        v5_type=VALUE_SPECIFICATION,  # or that of its value
        attributes={
            **_leaves(Leaf.TEXT, "rangeInterval", "regex", "unitOfMeasure", "valueType"),
            **_EXTENSIBLE,
            **_VALID_FOR,
            "isDefault": Attribute(of=Leaf.BOOLEAN),
            **_leaves(Leaf.WHOLE, "valueFrom", "valueTo"),
            "value": Attribute(of=Leaf.ANY),
        },
    ),
    "TestMeasureDefinition": TmfType(
        v5_type="TestMeasureDefinition",
        attributes={
            "id": Attribute(of=Leaf.ID),
            **_leaves(Leaf.TEXT, "name", "metricName", "metricDescription", "metricHref"),
            **_leaves(Leaf.TEXT, "captureFrequency", "captureMethod", "unitOfMeasure", "valueType"),
            **_EXTENSIBLE,
            **_VALID_FOR,
            "capturePeriod": Attribute(of=Leaf.DURATION),
            "thresholdRule": _list("MetricDefMeasureThresholdRule", MAX_RULES),
            # Of 5.0 only.
            "metricUri": Attribute(of=Leaf.TEXT),
            "specCharacteristic": _list("CharacteristicSpecification", MAX_CHARACTERISTICS),
            # An extension of ours.
            "mandatory": Attribute(of=Leaf.BOOLEAN),
        },
    ),
    "MetricDefMeasureThresholdRule": TmfType(
        v5_type="MetricDefMeasureThresholdRule",
        attributes={
            **_NAMED,
            **_leaves(Leaf.TEXT, "id", "thresholdRuleSeverity"),
            **_leaves(Leaf.TEXT, "conformanceComparatorLower", "conformanceComparatorUpper"),
            **_leaves(Leaf.TEXT, "conformanceTargetExact", "conformanceTargetLower", "conformanceTargetUpper"),
            **_EXTENSIBLE,
            "conformanceComparatorExact": Attribute(of=Leaf.BOOLEAN),
            "numberOfAllowedCrossing": Attribute(of=Leaf.COUNT),
            "consequence": _list("MetricDefMeasureConsequence", MAX_RULES),
            "tolerancePeriod": Attribute(of=Leaf.PERIOD),
        },
    ),
    "MetricDefMeasureConsequence": TmfType(
        v5_type="MetricDefMeasureConsequence",
        attributes={
            **_NAMED,
            **_leaves(Leaf.TEXT, "id", "prescribeAction"),
            **_EXTENSIBLE,
            **_VALID_FOR,
            "repeatAction": Attribute(of=Leaf.FLAG),
        },
    ),
}
