"""Write runs as orders of the job API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.changes import CHANGEABLE_FIELDS
from router.runs.hierarchy import build_tree
from schemas.run_document import value_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from router.runs.changes import FieldChange
    from router.runs.hierarchy import RunTree
    from router.runs.run import RunRow
    from schemas.run_document import RequestedMeasure, RunDocument

JobOrder = dict[str, object]


def write_order(run: RunDocument, parent: RunRow | None) -> JobOrder:
    """Write the order of one job; it starts after the job of its parent."""
    order = {
        "reference": run.run_id,
        **_fields(run, _FIELDS),
        "readings": [_ordered_reading(measure) for measure in run.test_measure],
        "after": parent.external_id if parent else None,
    }
    return {key: value for key, value in order.items() if value is not None}


def write_plan(root: RunDocument) -> JobOrder:
    """Write the order of a root with those of its children as steps (payload `bundle`).

    Raises:
        HierarchyError: the children do not make a tree (routing has refused such a request before).
    """
    return _with_steps(build_tree(root))


def write_changes(row: RunRow, changes: Sequence[FieldChange]) -> JobOrder:
    """Write the fields that differ; null is what was removed. A field that a job does not have is left out."""
    changed = row.requested.model_copy(update={CHANGEABLE_FIELDS[each.field]: each.new for each in changes})
    return _fields(changed, (each.field for each in changes))


def _with_steps(tree: RunTree) -> JobOrder:
    steps = [_with_steps(child) for child in tree.children]
    return write_order(tree.document, None) | ({"steps": steps} if steps else {})


def _fields(run: RunDocument, names: Iterable[str]) -> JobOrder:
    return {_FIELDS[name][0]: _FIELDS[name][1](run) for name in names if name in _FIELDS}


def _ordered_reading(measure: RequestedMeasure) -> JobOrder:
    return {"key": measure.id, "quantity": measure.metric_name, "unit": measure.unit_of_measure}


def _not_before(run: RunDocument) -> int | None:
    return round(run.start_date_time.timestamp() * 1000) if run.start_date_time else None


# Field of TMF653 → field of a job, and its value. The profile's `patchable` says which of them a change may carry.
_FIELDS: Mapping[str, tuple[str, Callable[[RunDocument], object]]] = {
    "name": ("title", lambda run: run.name),
    "description": ("note", lambda run: run.description),
    "testSpecification": ("procedure", lambda run: run.test_specification.id),
    "relatedService": ("target", lambda run: run.related_service.id),
    "startDateTime": ("notBefore", _not_before),
    "characteristic": ("parameters", lambda run: {each.name: value_to_json(each.value) for each in run.characteristic}),
}
