"""The names of the fields of TMF653 that are written, and of those that are read: what a rule may refer to."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Union

from consumers.spokes.mapping.pointers import EACH, NEW, Select

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consumers.spokes.mapping.pointers import PointerToken

# A field is a leaf (nothing below it), anything (whatever is below it), an object, or a list of objects.
LEAF, ANYTHING = "leaf", "anything"
FieldTree = Union[str, "Mapping[str, FieldTree]", "list[FieldTree]"]

_REFERENCE: FieldTree = {"id": LEAF, "href": LEAF, "name": LEAF, "version": LEAF}
_CHARACTERISTIC: FieldTree = {"id": LEAF, "name": LEAF, "valueType": LEAF, "value": ANYTHING}
_PARTY: FieldTree = {"id": LEAF, "href": LEAF, "name": LEAF, "role": LEAF, "partyOrPartyRole": _REFERENCE}
_IDENTIFIER: FieldTree = {"id": LEAF, "owner": LEAF, "externalIdentifierType": LEAF}
_RELATIONSHIP: FieldTree = {"id": LEAF, "href": LEAF, "name": LEAF, "relationshipType": LEAF, "role": LEAF}
_REQUESTED: dict[str, FieldTree] = {
    "id": LEAF,
    "metricName": LEAF,
    "metricHref": LEAF,
    "metricUri": LEAF,
    "unitOfMeasure": LEAF,
    "testMeasureDefinitionId": LEAF,
}
_MEASURED: FieldTree = _REQUESTED | {
    "value": ANYTHING,
    "valueType": LEAF,
    "unit": LEAF,
    "accuracy": ANYTHING,
    "captureDateTime": LEAF,
    "captureMethod": LEAF,
    "ruleViolation": [ANYTHING],
}
_COMMON: dict[str, FieldTree] = {
    "name": LEAF,
    "description": LEAF,
    "mode": LEAF,
    "state": LEAF,
    "startDateTime": LEAF,
    "endDateTime": LEAF,
    "validFor": {"startDateTime": LEAF, "endDateTime": LEAF},
    "relatedService": _REFERENCE,
    "testSpecification": _REFERENCE,
    "characteristic": [_CHARACTERISTIC],
    "relatedParty": [_PARTY],
    "externalIdentifier": [_IDENTIFIER],
    "serviceTestRelationship": [_RELATIONSHIP],
    "childServiceTest": [ANYTHING],
}
SENT: FieldTree = _COMMON | {"testMeasure": [_REQUESTED]}
READ: FieldTree = _COMMON | {"id": LEAF, "href": LEAF, "result": LEAF, "statusReason": LEAF, "testMeasure": [_MEASURED]}
EVENT: FieldTree = {
    "eventId": LEAF,
    "eventType": LEAF,
    "eventTime": LEAF,
    "event": {"serviceTest": READ, "id": LEAF, "href": LEAF},
}


def known_pointers(fields: FieldTree, above: str = "") -> Iterator[str]:
    """Yield a pointer to each of these fields; below one that ends with `/…` everything is allowed."""
    if isinstance(fields, str):
        yield f"{above}/…" if fields == ANYTHING else above
    elif isinstance(fields, list):
        yield from known_pointers(fields[0], f"{above}/{EACH}")
    else:
        for name, inner in fields.items():
            yield from known_pointers(inner, f"{above}/{name}")


def unknown_field(tokens: tuple[PointerToken, ...], fields: FieldTree) -> str | None:
    """Return what is wrong with a pointer into these fields; None if it leads to one of them."""
    for number, token in enumerate(tokens):
        if fields == ANYTHING:
            return None
        name = _written(token)
        if isinstance(fields, list):
            if not isinstance(token, int | Select) and token not in {EACH, NEW}:
                return f"'{_path(tokens[:number])}' is a list: put *, -, a number or [name=…] before '{name}'"
            fields = fields[0]
        elif isinstance(fields, str):
            return f"'{_path(tokens[:number])}' has no fields, so there is no '{name}' in it"
        elif name.startswith("@"):
            return None
        elif name not in fields:
            close = get_close_matches(name, fields, n=1)
            where = f" in '{_path(tokens[:number])}'" if number else ""
            return f"there is no field '{name}'{where}" + (f": did you mean '{close[0]}'?" if close else "")
        else:
            fields = fields[name]
    return None


def _path(tokens: tuple[PointerToken, ...]) -> str:
    return "/" + "/".join(map(_written, tokens))


def _written(token: PointerToken) -> str:
    return f"[{token.field}={token.value}]" if isinstance(token, Select) else str(token)
