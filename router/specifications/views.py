"""Show one `ServiceTestSpecification` in the form of TMF653 4.x and in that of 5.0, and read that of 5.0 back.

What is stored is the document as it was applied, or in the form of 4.x if a client of 5.0 wrote it. 5.0 has another
name for the relationships of specifications, nests parties, has a newer name for the address of a metric, and requires
an `@type` of every part, which follows from its place or value. What only one version has is shown by both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.specifications.tmf_types import ATTACHMENT, PARTY, ROOT, TYPES, VALUE_SPECIFICATION, Leaf
from schemas.characteristic_types import characteristic_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    SpecificationDocument = dict[str, object]

OLDER_NAME, NEWER_NAME = "serviceTestSpecRelationship", "serviceTestSpecificationRelationship"
_NESTED = "partyOrPartyRole"
OUTER_PARTY = "RelatedPartyRefOrPartyRoleRef"
# Types of TMF632; all others, such as a customer, are roles of a party.
_PARTIES = frozenset({"party", "individual", "organization"})
_REFERENCES = ("PartyRef", "PartyRoleRef")
_OF_VALUES = frozenset(
    f"{kind}{array}{VALUE_SPECIFICATION}"
    for kind in ("Boolean", "Integer", "Number", "String", "Object")
    for array in ("", "Array")
)
_MEASURES, _RELATED_PARTIES = "testMeasureDefinition", "relatedParty"


def as_version_4(document: Mapping[str, object]) -> SpecificationDocument:
    """Return a document in the form of TMF653 4.1 and 4.2."""
    return _with_referred_types(_in_older_form(document))


def as_version_5(document: Mapping[str, object]) -> SpecificationDocument:
    """Return a document in the form of TMF653 5.0."""
    older = _in_older_form(document)
    typed = _typed(older, ROOT)
    renamed = _renamed(typed, OLDER_NAME, NEWER_NAME)
    return _mapped(_mapped(renamed, _MEASURES, _with_both_addresses), _RELATED_PARTIES, _nested_party)


def from_version_5(document: Mapping[str, object]) -> SpecificationDocument:
    """Return what is stored of a document that a client of TMF653 5.0 wrote."""
    return _untyped(_in_older_form(document), ROOT, keep="@type")


def fits_type(stated: str, value: object) -> bool:
    """Return whether a value may be one of a `CharacteristicValueSpecification` with this `@type`."""
    expected = f"{characteristic_type(value)}ValueSpecification"
    if stated == expected or stated not in _OF_VALUES:
        return True
    # An integer is a number, and an empty list is one of each kind.
    return stated == expected.replace("Integer", "Number") or (value == [] and "Array" in stated)


def _in_older_form(document: Mapping[str, object]) -> SpecificationDocument:
    renamed = _renamed(document, NEWER_NAME, OLDER_NAME)
    return _mapped(_mapped(renamed, _MEASURES, _with_older_address), _RELATED_PARTIES, _flat_party)


def _renamed(document: Mapping[str, object], name: str, other: str) -> SpecificationDocument:
    """Return a document with an attribute under its other name, unless it has that, too."""
    if name not in document or other in document:
        return dict(document)
    return {other if key == name else key: value for key, value in document.items()}


def _mapped(
    document: SpecificationDocument, name: str, change: Callable[[SpecificationDocument], SpecificationDocument]
) -> SpecificationDocument:
    """Return a document in which the objects of a list are changed; what is none stays as it is."""
    entries = document.get(name)
    if not isinstance(entries, list):
        return document
    return {**document, name: [change(entry) if isinstance(entry, dict) else entry for entry in entries]}


def _with_older_address(measure: SpecificationDocument) -> SpecificationDocument:
    if measure.get("metricHref") not in (None, "", measure.get("metricUri")):
        return measure
    return _renamed({name: value for name, value in measure.items() if name != "metricHref"}, "metricUri", "metricHref")


def _with_both_addresses(measure: SpecificationDocument) -> SpecificationDocument:
    return {**measure, "metricUri": measure["metricHref"]} if "metricHref" in measure else measure


def _flat_party(party: SpecificationDocument) -> SpecificationDocument:
    inner = party.get(_NESTED)
    if not isinstance(inner, dict):
        return party
    outer = {name: value for name, value in party.items() if name != _NESTED}
    if outer.get("@type") == OUTER_PARTY or "@type" in inner:
        outer.pop("@type", None)
    if inner.get("@type") == _party_type(inner):
        inner = {name: value for name, value in inner.items() if name != "@type"}
    return {**inner, **outer}


def _nested_party(party: SpecificationDocument) -> SpecificationDocument:
    inner = {name: value for name, value in party.items() if name != "role"}
    role = party.get("role") or party.get("@referredType")
    related = {} if role is None else {"role": role}
    kind = inner.get("@type") if inner.get("@type") in _REFERENCES else _party_type(party)
    return {**related, _NESTED: {**inner, "@type": kind}, "@type": OUTER_PARTY}


def _party_type(party: Mapping[str, object]) -> str:
    kind = party.get("@referredType")
    return "PartyRoleRef" if isinstance(kind, str) and kind.casefold() not in _PARTIES else "PartyRef"


def _with_referred_types(document: SpecificationDocument) -> SpecificationDocument:
    """Return a document in which every party has the type that 4.x requires, and 5.0 does not."""
    return _mapped(document, _RELATED_PARTIES, _with_referred_type)


def _with_referred_type(party: SpecificationDocument) -> SpecificationDocument:
    kind = "PartyRole" if party.get("@type") == "PartyRoleRef" else "Party"
    return party if party.get("@referredType") else {**party, "@referredType": kind}


def _typed(value: object, type_name: str) -> SpecificationDocument:
    """Return an object with the `@type` of its place, unless it names another, and so all below it."""
    shown = {name: _below(one, type_name, name, _typed) for name, one in _object(value).items()}
    own = _type_of(shown, type_name)
    if own is None or type_name == ROOT:
        return shown
    stated = shown.get("@type")
    # That of a value follows from the value, which a client of another version may have changed.
    is_kept = isinstance(stated, str) and (type_name != VALUE_SPECIFICATION or fits_type(stated, shown.get("value")))
    return shown if is_kept else {**shown, "@type": own}


def _untyped(value: object, type_name: str, keep: str = "") -> SpecificationDocument:
    """Return an object without each `@type` that follows from its place."""
    own = _type_of(_object(value), type_name)
    return {
        name: _below(one, type_name, name, _untyped)
        for name, one in _object(value).items()
        if name != "@type" or name == keep or one != own
    }


def _below(value: object, type_name: str, name: str, change: Callable[[object, str], SpecificationDocument]) -> object:
    attribute = TYPES[type_name].attributes.get(name)
    if attribute is None or isinstance(attribute.of, Leaf):
        return value
    of = attribute.of
    if isinstance(value, list):
        return [change(entry, of) if isinstance(entry, dict) else entry for entry in value]
    return change(value, of) if isinstance(value, dict) else value


def _type_of(value: Mapping[str, object], type_name: str) -> str | None:
    if type_name == VALUE_SPECIFICATION and "value" in value:
        return f"{characteristic_type(value['value'])}ValueSpecification"
    if type_name == ATTACHMENT:
        return "AttachmentRef" if value.get("id") and value.get("@referredType") else "Attachment"
    return None if type_name == PARTY else TYPES[type_name].v5_type


def _object(value: object) -> SpecificationDocument:
    return value if isinstance(value, dict) else {}
