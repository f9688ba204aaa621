"""Fill in what a run does not say from its test specification; the same every time for the same two documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.ids import requested_measure_id
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.run_document import AppliedSpecification, RequestedMeasure, RunDocument, SpecificationRef


def find_specification(
    known: Mapping[str, AppliedSpecification], reference: SpecificationRef
) -> AppliedSpecification | None:
    """Return the specification of a reference; one of another version than the reference names is another one."""
    found = known.get(reference.id)
    if found is not None and found.version and reference.version and found.version != reference.version:
        return None
    return found


def apply_specification(run: RunDocument, specification: AppliedSpecification) -> RunDocument:
    """Return the run with what it takes from a specification; what it says itself is kept.

    A run without measures takes all. One with measures takes none in addition: each of its measures gets the id, unit,
    definition and thresholds that it lacks from the definition that it names by definition id, id, href or metric name.
    """
    return run.model_copy(
        update={
            "specification": specification,
            "test_measure": _measures(run.run_id, run.test_measure, specification.test_measure),
            "expected_duration": (
                specification.expected_duration if run.expected_duration is None else run.expected_duration
            ),
            "time_out": specification.time_out if run.time_out is None else run.time_out,
        }
    )


def as_routed(run: RunDocument, known: RunDocument) -> RunDocument:
    """Return a document of an ordering service as it would have been stored when `known` was routed.

    A run keeps the specification that was applied to it, as it keeps its decision. So an event that is read again
    leads to the same document, whatever has become of the specification since then.
    """
    if known.specification is not None:
        return apply_specification(run, known.specification)
    return without_specification(run)


def without_specification(run: RunDocument) -> RunDocument:
    """Return the run without a specification that an ordering service filled in, which is ignored."""
    return run if run.specification is None else run.model_copy(update={"specification": None})


def as_ordered(run: RunDocument) -> RunDocument:
    """Return what an ordering service says of a run and of its children, without a specification that it filled in."""
    if any(child.specification for child in run.children):
        run = run.model_copy(update={"children": tuple(map(without_specification, run.children))})
    return without_specification(run)


def with_fields_of_root(root: RunDocument, routed: RunDocument) -> RunDocument:
    """Return a root with its children and what `routed`, the root alone, took from its specification."""
    if routed.specification is None:
        return without_specification(root)
    return routed.model_copy(update={"children": root.children})


def unidentified_measure(run: RunDocument) -> Problem | None:
    """Return the problem of a measure that has no id, neither from the run nor from its specification."""
    for measure in run.test_measure:
        if not measure.id:
            return Problem(
                code="MEASURE_ID_UNKNOWN",
                sentence=f"Measure {measure.metric_name[:200]!r} of run {run.run_id} has no id, and no definition of "
                f"test specification {run.test_specification.id} has one for it: add the id, or the definition to the "
                "specification, and send or redrive the event.",
            )
    return None


def _measures(
    run_id: str, requested: tuple[RequestedMeasure, ...], defined: tuple[RequestedMeasure, ...]
) -> tuple[RequestedMeasure, ...]:
    if not requested:
        return defined
    if not defined:
        return requested
    definitions = _Definitions(defined)
    found = [definitions.find(one) for one in requested]
    own_ids = [_own_id(run_id, one, definition) for one, definition in zip(requested, found, strict=True)]
    taken = {own_id for own_id in own_ids if own_id}
    measures = []
    for one, own_id, definition in zip(requested, own_ids, found, strict=True):
        measures.append(one if definition is None else _completed(one, definition, takes_id=not own_id, taken=taken))
    return tuple(measures)


def _own_id(run_id: str, measure: RequestedMeasure, definition: RequestedMeasure | None) -> str:
    """Return the id that the ordering service gave a measure; the northbound interface derives one if it did not."""
    if definition is None or not measure.id or measure.id == definition.id:
        return measure.id
    derived = requested_measure_id(run_id, measure.metric_name, measure.metric_href or "")
    return "" if measure.id == derived else measure.id


def _completed(
    one: RequestedMeasure, definition: RequestedMeasure, *, takes_id: bool, taken: set[str]
) -> RequestedMeasure:
    lacking = {name: getattr(definition, name) for name in _TAKEN if not getattr(one, name)}
    if takes_id and definition.id not in taken:  # of two measures of one definition, the first gets its id
        lacking["id"] = definition.id
        taken.add(definition.id)
    return one.model_copy(update=lacking) if lacking else one


# What a measure takes from its definition beside the id. Not `mandatory`: a measure always says whether it is.
_TAKEN = ("metric_href", "definition_id", "unit_of_measure", "threshold_rule")
# By what a measure is recognised, the surest first.
_KEYS: tuple[Callable[[RequestedMeasure], str | None], ...] = (
    lambda measure: measure.definition_id,
    lambda measure: measure.id,
    lambda measure: measure.metric_href,
    lambda measure: measure.metric_name,
    lambda measure: measure.metric_name.strip().casefold(),
)


class _Definitions:
    """The measure definitions of a specification by each of their names, looked up by a name when it is needed."""

    def __init__(self, defined: tuple[RequestedMeasure, ...]) -> None:
        self._defined = defined
        self._lookups: list[Mapping[str, RequestedMeasure]] = []

    def find(self, one: RequestedMeasure) -> RequestedMeasure | None:
        """Return the definition of a measure; a name that two of them share identifies neither."""
        for place, key in enumerate(_KEYS):
            if place == len(self._lookups):
                self._lookups.append(self._lookup(key))
            if (name := key(one)) and (found := self._lookups[place].get(name)):
                return found
        return None

    def _lookup(self, key: Callable[[RequestedMeasure], str | None]) -> Mapping[str, RequestedMeasure]:
        found: dict[str, RequestedMeasure | None] = {}
        for measure in self._defined:
            if name := key(measure):
                found[name] = None if name in found else measure
        return {name: measure for name, measure in found.items() if measure is not None}
