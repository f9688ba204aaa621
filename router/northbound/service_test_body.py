"""Read a TMF653 `ServiceTest` that a client sends, by the rules that TMF653 and its conformance profile state.

What the server owns, such as results, is checked and not kept: it comes from the external system.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
from pydantic import ValidationError

from router.northbound.errors import ApiRefusedError, Mistake, MistakeCode
from router.northbound.other_attributes import OTHER_ATTRIBUTES, other_attributes_text
from router.northbound.resource import OUR_PREFIX
from router.runs.ids import nested_run_id, requested_measure_id
from router.specifications.checks import moment_of
from router.specifications.tmf_types import MAX_TEXT_LENGTH
from schemas.files.mistakes import sentence_of
from schemas.run_document import JsonText, RunDocument
from schemas.text.blank import is_blank
from schemas.text.json_pointer import pointer_to
from schemas.vocabulary import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pydantic_core import ErrorDetails

    from router.northbound.api_version import ApiVersion
    from schemas.text.json_types import JsonMapping

    BodyPath = tuple[str | int, ...]

PARENT_RUN_ID = "parentTestRunId"
ROOT_RUN_ID = "rootTestRunId"
CHILDREN = "childServiceTest"
RELATIONSHIPS = "serviceTestRelationship"
ENDS_BEFORE_START = "the endDateTime is before startDateTime"
MAX_ITEMS = 1_000  # in one list
MAX_RELATIONSHIPS = 100  # of one characteristic
MAX_ID_LENGTH = 255  # characters of an id that a client chooses
_COMPARATORS = (
    ("conformanceTargetLower", "conformanceComparatorLower"),
    ("conformanceTargetUpper", "conformanceComparatorUpper"),
)
# The names of `RunDocument` and its parts, as TMF653 writes them.
_TMF_NAMES = {
    "test_specification": "testSpecification",
    "related_service": "relatedService",
    "related_party": "relatedParty",
    "test_measure": "testMeasure",
    "start_date_time": "startDateTime",
    "end_date_time": "endDateTime",
    "valid_for": "validFor",
    "value_type": "valueType",
    "metric_name": "metricName",
    "metric_href": "metricHref",
    "definition_id": "testMeasureDefinitionId",
    "unit_of_measure": "unitOfMeasure",
    "referred_type": "@referredType",
    "type": "@referredType",
}
_SENTENCES = {
    "missing": "is missing",
    "string_too_short": "is empty",
    "string_type": "must be a text",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "model_type": "must be an object",
    "string_pattern_mismatch": "holds a NUL character (U+0000)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedRuns:
    """The runs of one POST: a root with its children as a flat list, or one run below a parent that exists.

    `external_ids` are the client's own ids by run id. `parent` is the client's reference to the parent.
    """

    document: RunDocument
    external_ids: Mapping[str, str]
    parent: str | None = None


@dataclass(slots=True)
class _Mistakes:
    found: list[Mistake] = field(default_factory=list)

    def add(self, code: MistakeCode, sentence: str, pointer: BodyPath) -> None:
        self.found.append(Mistake(code, sentence, pointer_to(pointer)))

    def missing(self, what: str, pointer: BodyPath) -> None:
        self.add(MistakeCode.MISSING, f"{what} is missing", pointer)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyReader:
    """Reads bodies of one API version.

    `run_id_of` returns the run id for a client's own id; `tenant` is that of the client.
    """

    version: ApiVersion
    tenant: str | None
    run_id_of: Callable[[str], str]
    max_depth: int

    def read_order(self, body: object, fallback_run_id: str) -> OrderedRuns:
        """Return what a POST orders; a run without an id of the client's gets `fallback_run_id`.

        Raises:
            ApiRefusedError: 400, with every mistake and its place.
        """
        mistakes = _Mistakes()
        test = _object(body, "the body", (), mistakes)
        root_ids: dict[str, str] = {}
        own_id = _own_id(test, (), mistakes)
        run_id = self.run_id_of(own_id) if own_id else fallback_run_id
        if own_id:
            root_ids[run_id] = own_id
        parent, named = _references(test, mistakes)
        children = list(self._nested(test, run_id, run_id, (), 2, root_ids, mistakes))
        if parent is not None and (children or named):
            mistakes.add(
                MistakeCode.UNEXPECTED,
                "a run below a parent cannot bring children of its own: order them one by one, each with its parent",
                (CHILDREN,),
            )
        document = self._document(test, run_id, run_id, None, 0, (), mistakes)
        if mistakes.found or document is None:
            raise ApiRefusedError(400, mistakes.found)
        embedded = tuple(children)
        names = tuple(self.run_id_of(own) for own in named)
        if embedded or names:
            document = document.model_copy(update={"children": embedded, "child_run_ids": names})
        return OrderedRuns(document=document, external_ids=root_ids, parent=parent)

    def read_document(self, test: object, known: RunDocument) -> RunDocument:
        """Return the document of a run that was changed to this `ServiceTest`; ids and version stay.

        Raises:
            ApiRefusedError: 400, with every mistake and its place.
        """
        mistakes = _Mistakes()
        changed = _object(test, "the run", (), mistakes)
        document = self._document(
            changed, known.run_id, known.root_run_id, known.parent_run_id, known.order, (), mistakes
        )
        if mistakes.found or document is None:
            raise ApiRefusedError(400, mistakes.found)
        kept = {"version": known.version, "tenant": known.tenant, "priority": known.priority}
        return document.model_copy(update={**kept, "children": known.children, "child_run_ids": known.child_run_ids})

    def _nested(
        self,
        test: JsonMapping,
        run_id: str,
        root_run_id: str,
        at: BodyPath,
        level: int,
        external_ids: dict[str, str],
        mistakes: _Mistakes,
    ) -> Iterator[RunDocument]:
        """Yield the runs that are nested below a run, parents before children."""
        for position, child in enumerate(_objects(test, CHILDREN, at, mistakes)):
            here = (*at, CHILDREN, position)
            if level > self.max_depth:
                mistakes.add(MistakeCode.TOO_MANY, f"runs may be nested {self.max_depth} levels deep", here)
                return
            own_id = _own_id(child, here, mistakes)
            child_id = self.run_id_of(own_id) if own_id else nested_run_id(run_id, position)
            if own_id:
                external_ids[child_id] = own_id
            document = self._document(child, child_id, root_run_id, run_id, position, here, mistakes)
            if document is not None:
                yield document
            yield from self._nested(child, child_id, root_run_id, here, level + 1, external_ids, mistakes)

    def _document(
        self,
        test: JsonMapping,
        run_id: str,
        root_run_id: str,
        parent_run_id: str | None,
        order: int,
        at: BodyPath,
        mistakes: _Mistakes,
    ) -> RunDocument | None:
        before = len(mistakes.found)
        fields: dict[str, object] = {
            "run_id": run_id,
            "root_run_id": root_run_id,
            "parent_run_id": parent_run_id,
            "tenant": self.tenant,
            "order": order,
            "name": test.get("name"),
            "description": test.get("description"),
            "mode": _mode(test.get("mode"), at, mistakes),
            "related_service": _reference(test, "relatedService", at, mistakes),
            "test_specification": _reference(test, "testSpecification", at, mistakes),
            "characteristic": [*_characteristics(test, at, mistakes)],
            "related_party": [*_related_parties(test, at, mistakes)],
            "test_measure": [*self._measures(test, run_id, at, mistakes)],
            "start_date_time": test.get("startDateTime"),
            "end_date_time": test.get("endDateTime"),
            "valid_for": _validity(test.get("validFor"), at, mistakes),
            "other_attributes": _other_attributes(test, at, mistakes),
        }
        if test.get("name") is None:
            mistakes.missing("the name of the run", (*at, "name"))
        _check_state(test, at, mistakes)
        if len(mistakes.found) > before:
            return None
        try:
            document = RunDocument.model_validate(fields)
        except ValidationError as error:
            for wrong in error.errors(include_url=False, include_input=False):
                _add_model_mistake(wrong, at, mistakes)
            return None
        if ends_before_start(document):
            mistakes.add(MistakeCode.INVALID_VALUE, ENDS_BEFORE_START, (*at, "endDateTime"))
        return document

    def _measures(
        self, test: JsonMapping, run_id: str, at: BodyPath, mistakes: _Mistakes
    ) -> Iterator[dict[str, object]]:
        seen: set[object] = set()
        for position, measure in enumerate(_objects(test, "testMeasure", at, mistakes)):
            here = (*at, "testMeasure", position)
            definition, href = measure.get("testMeasureDefinitionId"), measure.get("metricHref")
            href = measure.get("metricUri") if href is None and self.version.is_v5 else href
            name = measure.get("metricName")
            name = definition if name is None and self.version.is_v5 else name
            if name is None:
                mistakes.missing("the metricName of a measure", (*here, "metricName"))
            if href is None and not self.version.is_v5:
                mistakes.missing("the metricHref of a measure", (*here, "metricHref"))
            _check_results(measure, here, mistakes)
            own_id = definition if is_blank(measure.get("id")) else measure["id"]
            if is_blank(own_id):
                own_id = requested_measure_id(run_id, str(name), str(href or ""))
            if isinstance(own_id, str) and own_id in seen:
                mistakes.add(MistakeCode.INVALID_VALUE, "two measures of a run have the same id", here)
            seen.add(own_id if isinstance(own_id, str) else position)
            yield {
                "id": own_id,
                "metric_name": name,
                "metric_href": href,
                "definition_id": definition,
                "unit_of_measure": measure.get("unitOfMeasure"),
            }


def ends_before_start(document: RunDocument) -> bool:
    """Return whether the planned window of a run ends before it starts."""
    start, end = document.start_date_time, document.end_date_time
    return start is not None and end is not None and end < start


def _object(value: object, what: str, at: BodyPath, mistakes: _Mistakes) -> JsonMapping:
    if isinstance(value, dict):
        return value
    mistakes.add(MistakeCode.INVALID_FORMAT, f"{what} must be a JSON object", at)
    return {}


def _objects(test: JsonMapping, name: str, at: BodyPath, mistakes: _Mistakes) -> Iterable[JsonMapping]:
    """Return the objects of a list; what is none is a mistake."""
    items = test.get(name)
    return () if items is None else _objects_of(items, name, at, mistakes)


def _objects_of(items: object, name: str, at: BodyPath, mistakes: _Mistakes) -> Iterator[JsonMapping]:
    if not isinstance(items, list):
        mistakes.add(MistakeCode.INVALID_FORMAT, f"{name} must be a list", (*at, name))
        return
    if len(items) > MAX_ITEMS:
        mistakes.add(MistakeCode.TOO_MANY, f"{name} may have {MAX_ITEMS} entries", (*at, name))
        return
    for position, item in enumerate(items):
        yield _object(item, f"an entry of {name}", (*at, name, position), mistakes)


def _own_id(test: JsonMapping, at: BodyPath, mistakes: _Mistakes) -> str | None:
    """Return the id that the client's system has for a run: `id`, or the first external identifier."""
    own_id, place = test.get("id"), (*at, "id")
    if own_id is None:
        first = next(iter(_objects(test, "externalIdentifier", at, mistakes)), None)
        own_id, place = (first or {}).get("id"), (*at, "externalIdentifier", 0, "id")
    if own_id is None:
        return None
    if not isinstance(own_id, str) or not own_id.strip() or len(own_id) > MAX_ID_LENGTH or "\x00" in own_id:
        mistakes.add(MistakeCode.INVALID_VALUE, f"an id must be a text of 1 to {MAX_ID_LENGTH} characters", place)
        return None
    return own_id.strip()


def _references(test: JsonMapping, mistakes: _Mistakes) -> tuple[str | None, list[str]]:
    """Return the reference to the parent, and the client's ids of children that it orders one by one."""
    parents: list[str] = []
    children: list[str] = []
    for position, relationship in enumerate(_objects(test, RELATIONSHIPS, (), mistakes)):
        role = relationship.get("role") or relationship.get("relationshipType")
        reference = relationship.get("id")
        if role not in ("parent", "child"):
            continue
        if not isinstance(reference, str) or not reference.strip() or len(reference) > MAX_ID_LENGTH:
            place = (RELATIONSHIPS, position, "id")
            mistakes.add(MistakeCode.INVALID_VALUE, "a relationship names a run by its id, which is a text", place)
            continue
        (parents if role == "parent" else children).append(reference.strip())
    parents += _parents_by_characteristic(test)
    if len(set(parents)) > 1:
        mistakes.add(MistakeCode.INVALID_VALUE, "a run has one parent", (RELATIONSHIPS,))
    return (parents[0] if parents else None), list(dict.fromkeys(children))


def _parents_by_characteristic(test: JsonMapping) -> list[str]:
    listed = test.get("characteristic")
    found = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    values = [each.get("value") for each in found if each.get("name") == PARENT_RUN_ID]
    return [value.strip() for value in values if isinstance(value, str) and value.strip()]


def _reference(test: JsonMapping, name: str, at: BodyPath, mistakes: _Mistakes) -> dict[str, object]:
    value, here = test.get(name), (*at, name)
    if value is None:
        mistakes.missing(name, here)
        return {}
    reference = _object(value, name, here, mistakes)
    if isinstance(value, dict) and reference.get("id") is None:
        mistakes.missing(f"the id of {name}", (*here, "id"))
    known = ("id", "href", "name", "version") if name == "testSpecification" else ("id", "href", "name")
    return {each: reference.get(each) for each in known} | {"type": reference.get("@referredType")}


def _mode(mode: object, at: BodyPath, mistakes: _Mistakes) -> Mode:
    if mode is None:
        return Mode.ONDEMAND
    known = {word.value: word for word in (Mode.ONDEMAND, Mode.PROACTIVE)}
    found = known.get(mode.strip().upper()) if isinstance(mode, str) else None
    if found is None:
        mistakes.add(MistakeCode.INVALID_VALUE, f"mode must be one of {', '.join(known)}", (*at, "mode"))
    return found or Mode.ONDEMAND


def _characteristics(test: JsonMapping, at: BodyPath, mistakes: _Mistakes) -> Iterator[dict[str, object]]:
    for position, characteristic in enumerate(_objects(test, "characteristic", at, mistakes)):
        here, name = (*at, "characteristic", position), characteristic.get("name")
        if name is None:
            mistakes.missing("the name of a characteristic", (*here, "name"))
        if "value" not in characteristic:
            mistakes.missing("the value of a characteristic", (*here, "value"))
        if _is_left_out(name):
            continue
        yield {
            "name": name,
            "value": _value(characteristic.get("value")),
            "value_type": characteristic.get("valueType"),
        }


def _validity(value: object, at: BodyPath, mistakes: _Mistakes) -> dict[str, object] | None:
    """Return a `TimePeriod` as it is read into a document; None if it says nothing."""
    if value is None:
        return None
    here = (*at, "validFor")
    period = _object(value, "validFor", here, mistakes)
    read = {
        ours: period.get(tmf) for ours, tmf in (("start_date_time", "startDateTime"), ("end_date_time", "endDateTime"))
    }
    start, end = map(moment_of, read.values())
    if start is not None and end is not None and end < start:
        sentence = "the endDateTime of validFor is before its startDateTime"
        mistakes.add(MistakeCode.INVALID_VALUE, sentence, (*here, "endDateTime"))
    return read if any(one is not None for one in read.values()) else None


def _other_attributes(test: JsonMapping, at: BodyPath, mistakes: _Mistakes) -> JsonText | None:
    """Return the attributes of entries that have no field of their own. The entries themselves are checked before."""
    found: dict[str, dict[str, dict[str, object]]] = {}
    for name, attributes in OTHER_ATTRIBUTES.items():
        entries, place = test.get(name), 0
        for position, entry in enumerate(entries if isinstance(entries, list) else ()):
            if not isinstance(entry, dict) or (name == "characteristic" and _is_left_out(entry.get("name"))):
                continue
            kept = {one: entry[one] for one in attributes if entry.get(one) is not None}
            for one, value in kept.items():
                _check_other_attribute(one, value, (*at, name, position, one), mistakes)
            if kept:
                found.setdefault(name, {})[str(place)] = kept
            place += 1
    return other_attributes_text(found) if found else None


def _check_other_attribute(name: str, value: object, at: BodyPath, mistakes: _Mistakes) -> None:
    if name != "characteristicRelationship":
        _check_text(value, name, at, mistakes)
        return
    if not isinstance(value, list) or len(value) > MAX_RELATIONSHIPS:
        sentence = f"{name} must be a list of at most {MAX_RELATIONSHIPS} entries"
        mistakes.add(MistakeCode.INVALID_FORMAT, sentence, at)
        return
    for position, entry in enumerate(value):
        relationship = _object(entry, f"an entry of {name}", (*at, position), mistakes)
        for one in ("id", "href", "relationshipType"):
            if relationship.get(one) is not None:
                _check_text(relationship[one], one, (*at, position, one), mistakes)


def _check_text(value: object, name: str, at: BodyPath, mistakes: _Mistakes) -> None:
    if not isinstance(value, str) or len(value) > MAX_TEXT_LENGTH or "\x00" in value:
        sentence = f"{name} must be a text of at most {MAX_TEXT_LENGTH} characters, without NUL"
        mistakes.add(MistakeCode.INVALID_FORMAT, sentence, at)


def _is_left_out(name: object) -> bool:
    """Return whether a characteristic is one of ours, which is shown and not ordered."""
    return isinstance(name, str) and (name.startswith(OUR_PREFIX) or name in {PARENT_RUN_ID, ROOT_RUN_ID})


def _value(value: object) -> object:
    # A document marks JSON text with a field of this name, which a client's own object may have too.
    return JsonText(json_text=orjson.dumps(value).decode()) if isinstance(value, dict) else value


def _related_parties(test: JsonMapping, at: BodyPath, mistakes: _Mistakes) -> Iterator[dict[str, object]]:
    for position, party in enumerate(_objects(test, "relatedParty", at, mistakes)):
        here = (*at, "relatedParty", position)
        nested = party.get("partyOrPartyRole")
        reference = party if nested is None else _object(nested, "partyOrPartyRole", here, mistakes)
        place = here if nested is None else (*here, "partyOrPartyRole")
        for name in ("id", "@referredType"):
            if reference.get(name) is None:
                mistakes.missing(f"the {name} of a related party", (*place, name))
        yield {
            "id": reference.get("id"),
            "referred_type": reference.get("@referredType"),
            "name": reference.get("name"),
            "href": reference.get("href"),
            "role": party.get("role"),
        }


def _check_results(measure: JsonMapping, at: BodyPath, mistakes: _Mistakes) -> None:
    """Check the results of a measure, which are not kept."""
    value, accuracy, captured = measure.get("value"), measure.get("accuracy"), measure.get("captureDateTime")
    if value is not None and not (isinstance(value, dict) and {"name", "value"} <= value.keys()):
        sentence = "the value of a measure must be a characteristic, an object with name and value"
        mistakes.add(MistakeCode.INVALID_FORMAT, sentence, (*at, "value"))
    if accuracy is not None and (isinstance(accuracy, bool) or not isinstance(accuracy, int | float)):
        mistakes.add(MistakeCode.INVALID_FORMAT, "the accuracy of a measure must be a number", (*at, "accuracy"))
    if captured is not None and moment_of(captured) is None:
        sentence = "captureDateTime must be a date and time such as 2026-01-31T09:35:43Z"
        mistakes.add(MistakeCode.INVALID_FORMAT, sentence, (*at, "captureDateTime"))
    if not isinstance(measure.get("captureMethod"), str | None):
        mistakes.add(MistakeCode.INVALID_FORMAT, "captureMethod must be a text", (*at, "captureMethod"))
    _check_violations(measure, at, mistakes)


def _check_violations(measure: JsonMapping, at: BodyPath, mistakes: _Mistakes) -> None:
    for position, violation in enumerate(_objects(measure, "ruleViolation", at, mistakes)):
        here = (*at, "ruleViolation", position)
        if violation.get("name") is None:
            mistakes.missing("the name of a rule violation", (*here, "name"))
        targets = ("conformanceTargetExact", *(target for target, _ in _COMPARATORS))
        if all(violation.get(target) is None for target in targets):
            mistakes.missing("an exact, lower or upper target of a rule violation", here)
        for target, comparator in _COMPARATORS:
            if violation.get(target) is not None and violation.get(comparator) is None:
                mistakes.missing(f"the {comparator} of a rule violation", (*here, comparator))


def _check_state(test: JsonMapping, at: BodyPath, mistakes: _Mistakes) -> None:
    if not isinstance(test.get("state"), str | None):
        mistakes.add(MistakeCode.INVALID_FORMAT, "state must be a text", (*at, "state"))


def _add_model_mistake(wrong: ErrorDetails, at: BodyPath, mistakes: _Mistakes) -> None:
    kind, place = wrong["type"], wrong["loc"]
    # The branches of a union of types are no part of the body.
    names = [part for part in place if isinstance(part, int) or part in _TMF_NAMES or part.islower()]
    here = tuple(_TMF_NAMES.get(part, part) if isinstance(part, str) else part for part in names)
    reason = _SENTENCES.get(kind) or sentence_of(wrong)
    code = MistakeCode.INVALID_FORMAT if kind.endswith("_type") else MistakeCode.INVALID_VALUE
    mistakes.add(code, f"{here[-1] if here else 'the run'} {reason}", (*at, *here))
