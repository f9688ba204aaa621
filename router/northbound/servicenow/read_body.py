"""Read the bodies of ServiceNow's Service Test Management Open API as TMF653 5.0 has them.

What cannot be read stays as it is, so that the reader of `ServiceTest` refuses it with its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.northbound.change import CHANGEABLE
from router.northbound.errors import ApiRefusedError, Mistake, MistakeCode, refuse
from router.northbound.patches.patch import is_equal
from router.northbound.servicenow.moments import MOMENTS, read_moment, read_period
from router.runs.states import normalise_state
from schemas.text.blank import is_blank

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from router.northbound.order import RunView
    from schemas.text.json_types import JsonMapping


_REFERENCES = {
    "relatedService": ("id", "href", "name", "@referredType"),
    "testSpecification": ("id", "href", "name", "version", "@referredType"),
}
# Results in a body come from the test system and are not kept, so their rules do not apply either.
_MEASURE_FIELDS = ("id", "metricName", "metricHref", "metricDescription", "unitOfMeasure", "testMeasureDefinitionId")
_NEVER_REMOVED = frozenset({"characteristic", "mode", "relatedParty", "testMeasure"})
_CHARACTERISTIC_FIELDS = ("id", "name", "valueType", "value", "characteristicRelationship")


def read_new_run(body: object, zone: tzinfo) -> object:
    """Return the body of a POST as a `ServiceTest` of TMF653 5.0, with its children; `zone` is that of date-times."""
    if not isinstance(body, dict):
        return body
    run = {name: _translated(name, value, zone) for name, value in body.items()}
    if isinstance(children := body.get("childServiceTest"), list):
        run["childServiceTest"] = [read_new_run(child, zone) for child in children]
    return run


def read_change(
    body: object, view: RunView, shown: JsonMapping, resource: JsonMapping, zone: tzinfo
) -> dict[str, object]:
    """Return the body of a PATCH as a merge patch of `resource`, which is the run as TMF653 5.0 writes it.

    `shown` is the run as ServiceNow shows it: what is sent back as it was shown changes nothing. Measures and
    characteristics are updated by id or name, and none is removed.

    Raises:
        ApiRefusedError: 400 for a body without name, service and specification, which ServiceNow requires here too.
    """
    if not isinstance(body, dict):
        raise refuse(400, MistakeCode.INVALID_FORMAT, "the body must be a JSON object")
    _require_trio(body)
    changed = {
        name: value
        for name, value in body.items()
        if name in CHANGEABLE | {"state"} and not _is_shown(name, value, view, shown)
    }
    return {name: _patch_of(name, value, shown, resource, zone) for name, value in changed.items()}


def _require_trio(body: JsonMapping) -> None:
    missing = [] if body.get("name") else [Mistake(MistakeCode.MISSING, "the name of the run is missing", "/name")]
    for name in _REFERENCES:
        reference = body.get(name)
        if not isinstance(reference, dict) or not reference.get("id"):
            missing.append(Mistake(MistakeCode.MISSING, f"the id of {name} is missing", f"/{name}/id"))
    if missing:
        raise ApiRefusedError(400, missing)


def _is_shown(name: str, value: object, view: RunView, shown: JsonMapping) -> bool:
    if value is None and name in _NEVER_REMOVED:
        return True
    if name == "state" and isinstance(value, str):
        return normalise_state(value) is view.state
    if name == "mode" and isinstance(value, str):
        return value.strip().upper() in ("", str(shown.get(name)).upper())
    return is_equal(value, shown.get(name)) or (value == "" and name not in shown and name not in _NEVER_REMOVED)


def _patch_of(name: str, value: object, shown: JsonMapping, resource: JsonMapping, zone: tzinfo) -> object:
    match name:
        case "relatedService" | "testSpecification":
            return _reference_patch(name, value, shown.get(name), resource.get(name))
        case "testMeasure":
            return _upserted(value, shown.get(name), resource.get(name), _measure_key, _measure)
        case "characteristic":
            return _upserted(value, shown.get(name), resource.get(name), _name_of, _characteristic)
        case _:
            return _translated(name, value, zone)


def _reference_patch(name: str, value: object, shown: object, known: object) -> object:
    """Return the patch of a reference: to another service or specification, nothing of the old one stays."""
    if not isinstance(value, dict) or not isinstance(shown, dict) or not isinstance(known, dict):
        return value
    sent = {part: value[part] for part in _REFERENCES[name] if value.get(part) not in (None, "")}
    if sent.get("id") != known.get("id"):
        return {part: sent.get(part) for part in _REFERENCES[name]}
    return {part: one for part, one in sent.items() if one != shown.get(part)}


def _upserted(
    sent: object,
    shown: object,
    known: object,
    key_of: Callable[[JsonMapping], str | None],
    pick: Callable[[JsonMapping], dict[str, object]],
) -> object:
    """Return the known items, updated by those that were sent, and then the new ones."""
    if not isinstance(sent, list) or not all(isinstance(item, dict) for item in sent):
        return sent
    items = _by_key(known, key_of)
    as_shown = _by_key(shown, key_of)
    new: list[JsonMapping] = []
    for item in sent:
        key = key_of(item) or _key_of_metric(item, items)
        picked = pick(item)
        seen = as_shown.get(key, {}) if key is not None else {}
        if key is not None and key in items:
            items[key] = {
                **items[key],
                **{name: one for name, one in picked.items() if not is_equal(one, seen.get(name))},
            }
        else:
            new.append(picked)
    return [*items.values(), *new]


def _by_key(items: object, key_of: Callable[[JsonMapping], str | None]) -> dict[str, JsonMapping]:
    objects = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return {key: item for item in objects if (key := key_of(item)) is not None}


def _key_of_metric(item: JsonMapping, items: Mapping[str, JsonMapping]) -> str | None:
    """Return the id of the known measure with the same name, for a measure that is sent without an id."""
    metric = item.get("metricName")
    if not isinstance(metric, str):
        return None
    return next((key for key, known in items.items() if known.get("metricName") == metric), None)


def _measure_key(measure: JsonMapping) -> str | None:
    own = measure.get("id")
    return own if isinstance(own, str) and not is_blank(own) else None


def _name_of(characteristic: JsonMapping) -> str | None:
    own = characteristic.get("name")
    return own if isinstance(own, str) and own else None


def _translated(name: str, value: object, zone: tzinfo) -> object:
    if name in MOMENTS:
        return read_moment(value, zone)
    if name == "validFor":
        return read_period(value, zone)
    if name == "mode":
        return None if is_blank(value) else value
    if name in _REFERENCES and isinstance(value, dict):
        return {part: one for part, one in value.items() if one != ""}
    if name == "testMeasure" and isinstance(value, list):
        return [_measure(measure) if isinstance(measure, dict) else measure for measure in value]
    return value


def _measure(measure: JsonMapping) -> dict[str, object]:
    return {name: measure[name] for name in _MEASURE_FIELDS if not is_blank(measure.get(name))}


def _characteristic(characteristic: JsonMapping) -> dict[str, object]:
    return {name: characteristic[name] for name in _CHARACTERISTIC_FIELDS if name in characteristic}
