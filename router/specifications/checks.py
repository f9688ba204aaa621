"""Check a whole `ServiceTestSpecification` that somebody writes: every attribute of TMF653, also those no run reads.

What is on the topic already is read by `read_specification` alone, which wants less: a rule that is new today must not
take a specification away from runs.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import TYPE_CHECKING

from router.specifications.definition import MAX_MISTAKES, SpecificationError, read_specification
from router.specifications.durations import MAX_AMOUNT, UNITS, duration_of
from router.specifications.tmf_types import MAX_ID_LENGTH, MAX_TEXT_LENGTH, PARTY, ROOT, TYPES, Leaf
from router.specifications.views import NEWER_NAME, OLDER_NAME, OUTER_PARTY, as_version_4, fits_type
from schemas.base import LONG_MAX, LONG_MIN
from schemas.text.blank import is_blank
from schemas.text.json_pointer import pointer_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from router.specifications.tmf_types import Attribute
    from schemas.run_document import AppliedSpecification
    from schemas.text.json_types import JsonMapping

    DocumentPlace = tuple[str | int, ...]
    FoundMistakes = Iterator[tuple[DocumentPlace, str]]

MAX_DEPTH = 64  # objects and lists inside of each other
_SHOWN_PARTS = 12  # of a pointer
_MAX_DIGITS = 100  # of a target that is a number
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNWRITABLE = re.compile(r"[\x00\ud800-\udfff]")  # a NUL, which databases refuse, and what UTF-8 has no form for
_WHOLE = re.compile(r"-?[0-9]{1,15}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_BOOLEANS = frozenset({"true", "false"})
_FLAGS = _BOOLEANS | {"0", "1"}


def check_specification(document: Mapping[str, object]) -> AppliedSpecification:
    """Return what a run takes from a specification that is written now.

    Raises:
        SpecificationError: it breaks a rule of TMF653, a limit, or makes no sense.
    """
    found = list(_first(_unwritable(document)))
    if not found:  # only what can be walked is
        found = list(_first(_wrong_object(document, ROOT, ())))
    if found:
        raise SpecificationError(f"{pointer_to(at) or '/'}: {sentence}" for at, sentence in found)
    return read_specification(document)


def check_stored_specification(document: Mapping[str, object]) -> AppliedSpecification:
    """Return what a run takes from a specification in its stored form: 5.0 lets parties have no `@referredType`.

    Raises:
        SpecificationError: as of `check_specification`.
    """
    return check_specification(as_version_4(document))


def _first(found: FoundMistakes) -> FoundMistakes:
    for _, one in zip(range(MAX_MISTAKES), found, strict=False):
        yield one


def _unwritable(document: object) -> FoundMistakes:
    """Yield what cannot be kept as JSON, wherever it is."""
    waiting: list[tuple[object, DocumentPlace]] = [(document, ())]
    while waiting:
        value, at = waiting.pop()
        if isinstance(value, dict | list):
            if len(at) >= MAX_DEPTH:
                yield at[:_SHOWN_PARTS], f"is nested more than {MAX_DEPTH} levels deep: flatten it"
                return
            items = value.items() if isinstance(value, dict) else enumerate(value)
            waiting += [(inner, (*at, name)) for name, inner in items]
            if any(not isinstance(name, str) or _UNWRITABLE.search(name) for name in _names(value)):
                yield at, "has a name that is no text, or that holds a NUL character (U+0000)"
                return
        elif (sentence := _wrong_leaf(value)) is not None:
            yield at, sentence


def _names(value: object) -> Mapping[object, object]:
    return value if isinstance(value, dict) else {}


def _wrong_leaf(value: object) -> str | None:
    match value:
        case None | bool():
            return None
        case str():
            return "holds a NUL character (U+0000), or half of a character" if _UNWRITABLE.search(value) else None
        case int():
            return None if LONG_MIN <= value <= LONG_MAX else "64 bits do not hold the number: write it as a text"
        case float():
            return None if isfinite(value) else "must be a finite number"
        case _:
            return "must be a text, a number, true, false or null"


def _wrong_object(value: object, type_name: str, at: DocumentPlace) -> FoundMistakes:
    if not isinstance(value, dict):
        yield at, "must be an object"
        return
    if type_name == PARTY and isinstance(value.get("partyOrPartyRole"), dict):
        yield from _wrong_party(value, at)
        return
    for name, attribute in TYPES[type_name].attributes.items():
        if name in value or attribute.required:
            yield from _wrong_attribute(value.get(name), attribute, (*at, name))
    if (rule := _RULES.get(type_name)) is not None:
        yield from rule(value, at)


def _wrong_attribute(value: object, attribute: Attribute, at: DocumentPlace) -> FoundMistakes:
    if attribute.required and (is_blank(value) or value == []):
        yield at, "is missing"
    elif attribute.most is None:
        if value is not None:
            yield from _wrong_value(value, attribute.of, at)
    elif not isinstance(value, list):
        yield at, "must be a list"
    elif len(value) > attribute.most:
        yield at, f"may have {attribute.most} entries, and has {len(value)}"
    else:
        for place, entry in enumerate(value):
            yield from _wrong_value(entry, attribute.of, (*at, place))


def _wrong_value(value: object, of: Leaf | str, at: DocumentPlace) -> FoundMistakes:
    if not isinstance(of, Leaf):
        yield from _wrong_object(value, of, at)
    elif of in (Leaf.PERIOD, Leaf.DURATION):
        yield from _wrong_duration(value, at, is_read=of is Leaf.PERIOD)
    elif (sentence := _LEAVES[of](value)) is not None:
        yield at, sentence


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrong_text(value: object, most: int = MAX_TEXT_LENGTH) -> str | None:
    if not isinstance(value, str):
        return None if _is_number(value) else "must be a text"  # ServiceNow and people write numbers for texts
    return None if len(value) <= most else f"may have {most:,} characters, and has {len(value):,}"


def _wrong_id(value: object) -> str | None:
    if isinstance(value, str) and _CONTROL.search(value):
        return "holds a control character"
    return _wrong_text(value, MAX_ID_LENGTH)


def _wrong_content(value: object) -> str | None:
    return None if isinstance(value, str) else "must be a text"


def _wrong_boolean(value: object, words: frozenset[str] = _BOOLEANS) -> str | None:
    is_word = isinstance(value, str) and (not value.strip() or value.strip().lower() in words)
    return None if isinstance(value, bool) or is_word else "must be true or false"


def _whole_of(value: object) -> int | None:
    """Return a whole number, which may be written as a text; None if it is none."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _wrong_whole(value: object) -> str | None:
    is_blank = isinstance(value, str) and not value.strip()
    return None if is_blank or _whole_of(value) is not None else "must be a whole number"


def _wrong_count(value: object) -> str | None:
    if (sentence := _wrong_whole(value)) is not None:
        return sentence
    return "must not be negative" if (_whole_of(value) or 0) < 0 else None


def moment_of(value: object) -> datetime | None:
    """Return a date-time of RFC 3339; None if it is none."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value.strip()):
        return None
    try:
        return datetime.fromisoformat(value.strip().upper())
    except ValueError:  # no such day
        return None


def _wrong_moment(value: object) -> str | None:
    if (isinstance(value, str) and not value.strip()) or moment_of(value) is not None:
        return None
    return "must be a date and time such as 2026-01-31T09:35:43Z"


def _wrong_duration(value: object, at: DocumentPlace, *, is_read: bool) -> FoundMistakes:
    """Yield what is wrong with a duration; of one that runs read, the unit must be known and the amount there."""
    duration = duration_of(value)
    if isinstance(duration, str) and not duration.strip():
        return
    if not isinstance(duration, dict):
        yield at, "must be an object with amount and units"
        return
    amount, units = duration.get("amount"), duration.get("units")
    if amount is None and is_read:
        yield (*at, "amount"), "is missing"
    elif amount is not None and (sentence := _wrong_count(amount) or _too_large(amount)) is not None:
        yield (*at, "amount"), sentence
    if is_read and (not isinstance(units, str) or units.strip().lower().removesuffix("s") not in UNITS):
        yield (*at, "units"), f"must be one of {', '.join(f'{unit}s' for unit in UNITS)}"
    elif units is not None and (sentence := _wrong_text(units)) is not None:
        yield (*at, "units"), sentence


def _too_large(amount: object) -> str | None:
    whole = _whole_of(amount)
    if whole is None:
        return "must be a whole number"
    return f"must be at most {MAX_AMOUNT:,}" if whole > MAX_AMOUNT else None


_LEAVES: Mapping[Leaf, Callable[[object], str | None]] = {
    Leaf.ANY: lambda _: None,
    Leaf.TEXT: _wrong_text,
    Leaf.CONTENT: _wrong_content,
    Leaf.NAME: _wrong_text,
    Leaf.ID: _wrong_id,
    Leaf.BOOLEAN: _wrong_boolean,
    Leaf.FLAG: lambda value: _wrong_boolean(value, _FLAGS),
    Leaf.WHOLE: _wrong_whole,
    Leaf.COUNT: _wrong_count,
    Leaf.MOMENT: _wrong_moment,
}


def _wrong_party(value: JsonMapping, at: DocumentPlace) -> FoundMistakes:
    """Yield what is wrong with a related party of version 5."""
    yield from _wrong_attribute(value.get("role"), TYPES[PARTY].attributes["role"], (*at, "role"))
    for name in sorted(value.keys() - {"role", "partyOrPartyRole", "@type"}):
        yield (*at, name), "is not kept beside partyOrPartyRole: write it into that"
    if value.get("@type") not in (None, OUTER_PARTY):
        yield (*at, "@type"), f"must be {OUTER_PARTY}, as partyOrPartyRole has another type"
    party, here = value["partyOrPartyRole"], (*at, "partyOrPartyRole")
    if not isinstance(party, dict):
        return
    if "role" in party:
        yield (*here, "role"), "belongs beside partyOrPartyRole, and not into it"
    for name, attribute in TYPES[PARTY].attributes.items():
        if name not in ("role", "@referredType"):  # which version 5 does not require
            yield from _wrong_attribute(party.get(name), attribute, (*here, name))


def _wrong_period(value: JsonMapping, at: DocumentPlace) -> FoundMistakes:
    start, end = moment_of(value.get("startDateTime")), moment_of(value.get("endDateTime"))
    if start is not None and end is not None and end < start:
        yield (*at, "endDateTime"), "is before startDateTime"


def _wrong_order(value: JsonMapping, at: DocumentPlace, lower: str, upper: str) -> FoundMistakes:
    least, most = _whole_of(value.get(lower)), _whole_of(value.get(upper))
    if least is not None and most is not None and least > most:
        yield (*at, lower), f"is greater than {upper}"


def _wrong_characteristic(value: JsonMapping, at: DocumentPlace) -> FoundMistakes:
    yield from _wrong_order(value, at, "minCardinality", "maxCardinality")


def _wrong_value_specification(value: JsonMapping, at: DocumentPlace) -> FoundMistakes:
    yield from _wrong_order(value, at, "valueFrom", "valueTo")
    stated = value.get("@type")
    if isinstance(stated, str) and value.get("value") is not None and not fits_type(stated, value["value"]):
        yield (*at, "@type"), f"is {stated[:80]!r}, and the value is of another kind"


def _number_of(target: object) -> Decimal | None:
    if isinstance(target, bool) or not isinstance(target, int | float | str) or len(str(target)) > _MAX_DIGITS:
        return None
    try:
        number = Decimal(str(target).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _wrong_rule(value: JsonMapping, at: DocumentPlace) -> FoundMistakes:
    """Yield what makes no sense in a threshold rule (TMF653 4.1: the lower target is less than the upper one)."""
    targets = {end: value.get(f"conformanceTarget{end}") for end in ("Lower", "Upper", "Exact")}
    given = {end for end, target in targets.items() if not is_blank(target)}
    if not given:
        yield at, "has no target: write conformanceTargetLower, conformanceTargetUpper or conformanceTargetExact"
        return
    lower, upper = _number_of(targets["Lower"]), _number_of(targets["Upper"])
    if lower is not None and upper is not None and lower > upper:
        yield (*at, "conformanceTargetLower"), "is greater than conformanceTargetUpper, so that no value is between"
    for end in ("Lower", "Upper"):
        if end not in given and not is_blank(value.get(f"conformanceComparator{end}")):
            yield (*at, f"conformanceComparator{end}"), f"compares with nothing: write conformanceTarget{end}"
    exact = value.get("conformanceComparatorExact")
    if "Exact" not in given and (exact is True or (isinstance(exact, str) and exact.strip().lower() == "true")):
        yield (*at, "conformanceComparatorExact"), "compares with nothing: write conformanceTargetExact"


def _wrong_measure(value: JsonMapping, at: DocumentPlace) -> FoundMistakes:
    href, uri = value.get("metricHref"), value.get("metricUri")
    if not is_blank(href) and not is_blank(uri) and href != uri:
        yield (*at, "metricUri"), "is another address than metricHref, which is its former name: write one of them"
    yield from _wrong_twins(value, at, "thresholdRule", "id")


def _wrong_twins(value: JsonMapping, at: DocumentPlace, name: str, key: str) -> FoundMistakes:
    """Yield the entries of a list that have the same id or name as one before."""
    entries = value.get(name)
    places: dict[str, int] = {}
    for place, entry in enumerate(entries if isinstance(entries, list) else ()):
        own = entry.get(key) if isinstance(entry, dict) else None
        if not isinstance(own, str) or not own.strip():
            continue
        if own.strip() in places:
            other = pointer_to((*at, name, places[own.strip()]))
            yield (*at, name, place, key), f"is {own[:80]!r}, as in {other}: write another one to each"
        places.setdefault(own.strip(), place)


def _wrong_specification(value: JsonMapping, at: DocumentPlace) -> FoundMistakes:
    if NEWER_NAME in value:
        yield from _wrong_attribute(value[NEWER_NAME], TYPES[ROOT].attributes[OLDER_NAME], (*at, NEWER_NAME))
        if OLDER_NAME in value:
            yield (*at, NEWER_NAME), f"is the name that version 5 has for {OLDER_NAME}: write one of them"
    for key in ("id", "name"):
        yield from _wrong_twins(value, at, "specCharacteristic", key)


_RULES: Mapping[str, Callable[[JsonMapping, DocumentPlace], FoundMistakes]] = {
    ROOT: _wrong_specification,
    "TimePeriod": _wrong_period,
    "CharacteristicSpecification": _wrong_characteristic,
    "CharacteristicValueSpecification": _wrong_value_specification,
    "TestMeasureDefinition": _wrong_measure,
    "MetricDefMeasureThresholdRule": _wrong_rule,
}
