"""Shorten the body of an answer to ServiceNow's limit: it stays JSON, ids stay whole, and it says what is left out."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from router.northbound.writeback import Body

MAX_ANSWER_LENGTH = 4_000  # characters of a JSON parameter of a request type
SHORTENED = "shortened"
_ELLIPSIS = "…"
_SHORT_TEXT, _SHORT_VALUE = 80, 40  # characters
_LISTS = ("testMeasure", "childServiceTest", "errors")
_DETAILS = frozenset({"description", "characteristic", "mode", "startDateTime", "validFor"})
_MEASURE_DETAILS = frozenset({"metricHref", "accuracy", "captureDateTime", "captureMethod"})
_VIOLATION_FIELDS = ("id", "name", "thresholdRuleSeverity")


def shorten(body: Body, address: str = "", limit: int = MAX_ANSWER_LENGTH) -> Body:
    """Return the body within `limit` characters of JSON, with as much of it as fits.

    `shortened` is what is left out, and where the whole run is read; it is there only if something is left out.
    """
    if length_of(body) <= limit:
        return body
    note = _note("details are left out", address)
    for reduce in (_without_details, _with_short_measures, _with_values):
        if length_of(reduced := {**reduce(body), SHORTENED: note}) <= limit:
            return reduced
    return _with_parts_of_lists(body, limit, address)


def length_of(value: object) -> int:
    """Return the number of characters of the JSON of a value."""
    return len(orjson.dumps(value).decode())


def cut(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - len(_ELLIPSIS)] + _ELLIPSIS


def _note(what: str, address: str) -> str:
    return f"{what}; GET {address} returns the whole run" if address else what


def _without_details(run: Body) -> Body:
    """Leave out what the client has sent itself."""
    kept = {name: value for name, value in run.items() if name not in _DETAILS}
    return _with_children(kept, _without_details)


def _with_short_measures(run: Body) -> Body:
    """Leave out how a measure was taken, and describe violations by their names only."""
    kept = {name: value for name, value in run.items() if name not in _DETAILS}
    if measures := _objects(run, "testMeasure"):
        kept["testMeasure"] = [_short_measure(measure) for measure in measures]
    return _with_children(kept, _with_short_measures)


def _with_values(run: Body) -> Body:
    """Leave the ids and values of measures, and the ids and states of child runs."""
    kept = {name: run[name] for name in ("id", "state", "name") if name in run}
    if "name" in kept:
        kept["name"] = cut(str(kept["name"]), _SHORT_TEXT)
    return kept | {name: _entries(run, name) for name in _LISTS if name in run}


def _with_parts_of_lists(body: Body, limit: int, address: str) -> Body:
    """Leave as many entries of the lists as fit, each with its whole id."""
    lists = {name: _entries(body, name) for name in _LISTS if name in body}
    base: Body = {name: body[name] for name in ("id", "state") if name in body}

    def result(kept: dict[str, list[Body]]) -> Body:
        counts = [f"{len(kept[name])} of {len(entries)} {name}" for name, entries in lists.items()]
        return {**base, **kept, SHORTENED: _note(f"{' and '.join(counts)} are here", address)}

    kept: dict[str, list[Body]] = {name: [] for name in lists}
    left = limit - length_of(result(lists | {name: [] for name in lists})) - len(str(limit)) * 2 * len(lists)
    for name, entry in _interleaved(lists):
        if (size := length_of(entry) + 1) <= left:  # with its comma
            kept[name].append(entry)
            left -= size
    return result(kept)


def _interleaved(lists: dict[str, list[Body]]) -> Iterator[tuple[str, Body]]:
    """Yield the entries of all lists, one of each in turn."""
    for entries in zip_longest(*lists.values()):
        yield from ((name, entry) for name, entry in zip(lists, entries, strict=True) if entry is not None)


def _entries(run: Body, name: str) -> list[Body]:
    fields = {"testMeasure": ("id", "value"), "childServiceTest": ("id", "state")}.get(name)
    return [
        entry if fields is None else {field: _short_value(entry[field], field) for field in fields if field in entry}
        for entry in _objects(run, name)
    ]


def _short_value(value: object, field: str) -> object:
    if field == "id":
        return value
    if isinstance(value, dict):
        return _short_value(str(value.get("value")), field)
    return cut(value, _SHORT_VALUE) if isinstance(value, str) else value


def _short_measure(measure: Body) -> Body:
    kept = {name: value for name, value in measure.items() if name not in _MEASURE_DETAILS}
    violations = [
        {
            name: cut(str(one[name]), _SHORT_TEXT) if name == "name" else one[name]
            for name in _VIOLATION_FIELDS
            if name in one
        }
        for one in _objects(measure, "ruleViolation")
    ]
    return kept | {"ruleViolation": violations} if violations else kept


def _with_children(run: Body, reduce: Callable[[Body], Body]) -> Body:
    children = _objects(run, "childServiceTest")
    return run | {"childServiceTest": [reduce(child) for child in children]} if children else run


def _objects(run: Body, name: str) -> list[Body]:
    listed = run.get(name)
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
