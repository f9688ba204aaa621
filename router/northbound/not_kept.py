"""List what a client sent of a `ServiceTest` that is not kept, so that nothing is lost without a word.

Results come from the test system, and a run has no place for some other attributes; both are read and left out.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from router.northbound.change import CHANGEABLE
from router.northbound.patches.patch import is_equal
from router.northbound.resource import OUR_PREFIX, percent_encoded
from router.northbound.service_test_body import CHILDREN, PARENT_RUN_ID, RELATIONSHIPS, ROOT_RUN_ID
from router.runs.states import normalise_state
from schemas.text.json_pointer import pointer_to

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from schemas.text.json_types import JsonMapping

    BodyPlace = tuple[str | int, ...]

NOT_KEPT_HEADER = "Southbound-Not-Kept"
MAX_NAMED = 20
_MAX_LENGTH = 300  # characters of one pointer
_IDENTIFIERS = "externalIdentifier"
_ONLY_ORDERED = frozenset({CHILDREN, RELATIONSHIPS, _IDENTIFIERS})  # by a POST, and not changed by a patch
_READ = CHANGEABLE | {"id", "state"}
_REFERENCE = frozenset({"id", "href", "name", "@referredType", "@type"})
_PARTS: Mapping[str, frozenset[str]] = {
    "relatedService": _REFERENCE,
    "testSpecification": _REFERENCE | {"version"},
    "validFor": frozenset({"startDateTime", "endDateTime"}),
    "relatedParty": _REFERENCE | {"role", "partyOrPartyRole"},
    "characteristic": frozenset({"id", "name", "valueType", "value", "characteristicRelationship", "@type"}),
    "testMeasure": frozenset(
        {
            "id",
            "metricName",
            "metricHref",
            "metricUri",
            "metricDescription",
            "unitOfMeasure",
            "testMeasureDefinitionId",
            "@type",
        }
    ),
}
_OURS = frozenset({PARENT_RUN_ID, ROOT_RUN_ID})


def not_kept(body: object, shown: JsonMapping, *, within: str = "") -> str:
    """Return JSON pointers into the body of a POST, percent-encoded and separated by commas.

    `shown` is the run as the response shows it: what is equal there is kept. Empty if everything is. `within` is the
    place of the body in what was sent, as a JSON pointer.
    """
    return _listed(_of_order(body, shown, ()), within) if isinstance(body, dict) else ""


def not_kept_of_patch(changed: object, shown: JsonMapping) -> str:
    """Return JSON pointers into the patched run, as `not_kept` does into the body of a POST.

    `changed` has the attributes that the patch names, or in which the patched run is another one than before.
    """
    return _listed(_of_patch(changed, shown), "") if isinstance(changed, dict) else ""


def _listed(places: Iterator[BodyPlace], within: str) -> str:
    found = [*islice(places, MAX_NAMED + 1)]
    written = [_written(at, within) for at in found[:MAX_NAMED]]
    return ", ".join([*written, "..."] if len(found) > MAX_NAMED else written)


def _written(at: BodyPlace, within: str) -> str:
    parts = (within + pointer_to(at))[:_MAX_LENGTH].split("/")
    return "/".join(percent_encoded(part).replace("%40", "@") for part in parts)


def _of_order(body: JsonMapping, shown: JsonMapping, at: BodyPlace) -> Iterator[BodyPlace]:
    yield from _of_unknown(body.keys() - _READ - _ONLY_ORDERED, body, shown, at)
    state = body.get("state")
    if isinstance(state, str) and normalise_state(state) is not normalise_state(str(shown.get("state", state))):
        yield (*at, "state")
    yield from _of_parts(body, shown, at)
    for name, of_list in ((_IDENTIFIERS, _of_identifiers), (RELATIONSHIPS, _of_relationships)):
        if name in body and not _is_kept(body, shown, name):
            yield from of_list(body, (*at, name))
    for place, child in enumerate(_list(body.get(CHILDREN))):
        yield from _of_order(child, {}, (*at, CHILDREN, place))


def _of_patch(changed: JsonMapping, shown: JsonMapping) -> Iterator[BodyPlace]:
    # A state is either set or refused.
    yield from _of_unknown(changed.keys() - _READ, changed, shown, ())
    yield from _of_parts(changed, shown, ())


def _of_unknown(names: AbstractSet[str], body: JsonMapping, shown: JsonMapping, at: BodyPlace) -> Iterator[BodyPlace]:
    for name in sorted(names):
        is_base = name == "@type" and body[name] == shown.get("@baseType")
        if not is_base and not _is_kept(body, shown, name):
            yield (*at, name)


def _of_parts(body: JsonMapping, shown: JsonMapping, at: BodyPlace) -> Iterator[BodyPlace]:
    for name, known in _PARTS.items():
        if (value := body.get(name)) is not None and not _is_kept(body, shown, name):
            yield from _of_part(value, shown.get(name), known, (*at, name))


def _of_part(value: object, shown: object, known: frozenset[str], at: BodyPlace) -> Iterator[BodyPlace]:
    if isinstance(value, dict):
        yield from _of_object(value, shown, known, at)
        return
    beside = [one for one in shown if not _is_ours(one)] if isinstance(shown, list) else []
    place = 0
    for position, entry in enumerate(_list(value)):
        if _is_ours(entry):
            continue
        yield from _of_object(entry, _counterpart(entry, beside, place), known, (*at, position))
        place += 1


def _counterpart(entry: JsonMapping, beside: Sequence[object], place: int) -> object:
    """Return the entry that is shown for one that was sent: the one with its id, else the one at its place."""
    own = entry.get("id")
    same = [one for one in beside if isinstance(one, dict) and one.get("id") == own] if isinstance(own, str) else []
    return same[0] if same else beside[place] if place < len(beside) else {}


def _of_object(value: JsonMapping, shown: object, known: frozenset[str], at: BodyPlace) -> Iterator[BodyPlace]:
    for name in sorted(value.keys() - known):
        if not _is_kept(value, shown, name):
            yield (*at, name)
    party = value.get("partyOrPartyRole")
    if isinstance(party, dict):
        for name in sorted(party.keys() - _REFERENCE):
            yield (*at, "partyOrPartyRole", name)


def _of_identifiers(body: JsonMapping, at: BodyPlace) -> Iterator[BodyPlace]:
    """Yield what is not kept of external identifiers: the first one is the client's id of the run, without an `id`."""
    kept = 0 if body.get("id") is not None else 1
    for place, identifier in enumerate(_list(body[_IDENTIFIERS])):
        if place >= kept:
            yield (*at, place)
        else:
            for name in sorted(identifier.keys() - {"id", "@type"}):
                yield (*at, place, name)


def _of_relationships(body: JsonMapping, at: BodyPlace) -> Iterator[BodyPlace]:
    for place, relationship in enumerate(_list(body[RELATIONSHIPS])):
        role = relationship.get("role") or relationship.get("relationshipType")
        if role not in ("parent", "child"):
            yield (*at, place)


def _is_kept(value: JsonMapping, shown: object, name: str) -> bool:
    """Return whether an attribute is shown as it was sent, or sent as null or as an empty text, which say nothing."""
    sent = value[name]
    return sent is None or sent == "" or (isinstance(shown, dict) and name in shown and is_equal(shown[name], sent))


def _is_ours(entry: object) -> bool:
    name = entry.get("name") if isinstance(entry, dict) else None
    return isinstance(name, str) and (name.startswith(OUR_PREFIX) or name in _OURS)


def _list(value: object) -> list[dict[str, object]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
