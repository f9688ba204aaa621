"""Decide what a PATCH means for a run: nothing, a cancellation, or a change to another document."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from router.northbound.api_version import ApiVersion
from router.northbound.errors import ApiRefusedError, Mistake, MistakeCode, refuse
from router.northbound.other_attributes import merged_attributes
from router.northbound.patches.patch import is_equal, json_patch, merge_patch, touched_names
from router.northbound.patches.patch_query import json_patch_query, without_query
from router.northbound.service_test_body import ENDS_BEFORE_START, ends_before_start
from router.runs.pending import is_pending, with_changed_child, without_children
from router.runs.states import normalise_state
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from router.northbound.order import RunView
    from router.northbound.resource import Resource
    from router.northbound.service_test_body import BodyReader
    from schemas.run_document import RunDocument

NEVER_PATCHED = frozenset({"id", "href"})
TYPE_FIELDS = frozenset({"@type", "@baseType", "@schemaLocation"})
# What a client may change; every other attribute is kept as it is, because the server owns it or keeps none of it.
CHANGEABLE = frozenset(
    {
        "name",
        "description",
        "mode",
        "relatedService",
        "testSpecification",
        "characteristic",
        "relatedParty",
        "testMeasure",
        "startDateTime",
        "endDateTime",
        "validFor",
    }
)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The patch changes nothing: the run already has these values."""


@dataclass(frozen=True, slots=True)
class CancelWanted:
    """The patch sets the state to cancelled."""


@dataclass(frozen=True, slots=True)
class DocumentWanted:
    """The patch changes the run to this document, which has the version of the one before."""

    document: RunDocument


PatchPlan = Unchanged | CancelWanted | DocumentWanted


class PatchKind(StrEnum):
    """The kinds of patches."""

    MERGE = "merge"
    JSON = "json"
    JSON_QUERY = "json with queries"


def apply_patch(resource: Resource, patch: object, version: ApiVersion, kind: PatchKind) -> Resource:
    """Return the resource after the patch.

    Raises:
        ApiRefusedError: 400 for a patch of what cannot be patched or is no patch, 409 if it does not fit.
    """
    if kind is PatchKind.MERGE and not isinstance(patch, dict):
        raise refuse(400, MistakeCode.INVALID_FORMAT, "a merge patch is a JSON object")
    names = _touched_names(patch, kind)
    if touched := sorted(names & never_patched(version)):
        sentence = f"{', '.join(touched)} cannot be patched"
        raise refuse(400, MistakeCode.UNEXPECTED, sentence, f"/{touched[0]}")
    patched = _APPLY[kind](resource, patch)
    if not isinstance(patched, dict):
        raise refuse(400, MistakeCode.INVALID_FORMAT, "the patch does not leave an object")
    # An operation at the path "" names nothing, but replaces these too.
    refuse_other(NEVER_PATCHED | TYPE_FIELDS, resource, patched)
    return patched


def changed_attributes(resource: Mapping[str, object], patched: Mapping[str, object]) -> dict[str, object]:
    """Return the first-level attributes of a patched resource that are others than before, but for removed ones."""
    return {name: value for name, value in patched.items() if not is_equal(value, resource.get(name))}


def never_patched(version: ApiVersion) -> frozenset[str]:
    """Return the first-level names that a patch of this version must not have."""
    # The types are immutable since 4.2; 4.1 lists them, so a client of it may repeat them.
    return NEVER_PATCHED if version is ApiVersion.V4_1 else NEVER_PATCHED | TYPE_FIELDS


def refuse_other(names: Collection[str], resource: Mapping[str, object], patched: Mapping[str, object]) -> None:
    """Refuse a patched resource in which one of these first-level attributes is another one than before.

    Raises:
        ApiRefusedError: 400, with the place.
    """
    if changed := sorted(name for name in names if patched.get(name) != resource.get(name)):
        raise refuse(400, MistakeCode.UNEXPECTED, f"{changed[0]} cannot be changed", f"/{changed[0]}")


def _touched_names(patch: object, kind: PatchKind) -> frozenset[str]:
    if kind is PatchKind.MERGE:
        return frozenset(patch) if isinstance(patch, dict) else frozenset()
    return touched_names(without_query(patch) if kind is PatchKind.JSON_QUERY else patch)


_APPLY = {PatchKind.MERGE: merge_patch, PatchKind.JSON: json_patch, PatchKind.JSON_QUERY: json_patch_query}


def plan_change(view: RunView, resource: Resource, patched: Mapping[str, object], reader: BodyReader) -> PatchPlan:
    """Return what a patched resource means for its run.

    Raises:
        ApiRefusedError: 400 for a resource that breaks a rule; 409 for a state that a client cannot set, for a
            change together with a cancellation, and for a change of a run that has ended.
    """
    wants_cancel = _wants_cancel(view, resource, patched)
    document = _changed_document(view, resource, patched, reader)
    if wants_cancel and document is not None:
        sentence = "a run is either changed or cancelled: send two patches"
        raise refuse(409, MistakeCode.OTHER, sentence, "/state")
    if wants_cancel:
        return CancelWanted()
    if document is None:
        return Unchanged()
    if view.refusal is not None:
        raise refuse(409, MistakeCode.OTHER, "the run is rejected: order it again under another id")
    if view.has_ended or view.is_cancelled:
        sentence = f"the run is {view.state.value}{'' if view.has_ended else ' soon'}: it cannot be changed any more"
        raise refuse(409, MistakeCode.OTHER, sentence)
    return DocumentWanted(document)


def refuse_late_cancellation(view: RunView) -> None:
    """Refuse the cancellation of a run that has ended otherwise.

    Raises:
        ApiRefusedError: 409.
    """
    if view.has_ended and view.state is not RunState.CANCELLED:
        sentence = f"the run is {view.state.value}: nothing is left to cancel"
        raise refuse(409, MistakeCode.OTHER, sentence, "/state")


def next_version(view: RunView) -> int:
    """Return a document version that is higher than every version of the run so far."""
    known = [view.document.version]
    known += [view.order.document.version] if view.order is not None else []
    known += [view.row.requested.version] if view.row is not None else []
    return max(known) + 1


def with_family(view: RunView, document: RunDocument, family: Sequence[RunView]) -> RunDocument:
    """Return the document of a root with its children that are not cancelled, so that a change removes none of them.

    They are embedded while the root is not routed, and listed by id afterwards.
    """
    if view.document.parent_run_id is not None:
        return document
    children = [each for each in family if each.run_id != view.run_id]
    cancelled = {each.run_id for each in children if each.is_cancelled}
    if view.row is None or is_pending(view.row):
        for child in children:
            document = with_changed_child(document, child.document.model_copy(update={"children": ()}))
        return without_children(document, cancelled)
    if view.row.decision is None or not view.row.decision.hierarchical:
        return document.model_copy(update={"children": ()})
    living = (each.run_id for each in children if each.run_id not in cancelled and each.row is not None)
    names = tuple(dict.fromkeys((*view.row.requested.child_run_ids, *document.child_run_ids, *living)))
    return document.model_copy(update={"children": (), "child_run_ids": names})


def _wants_cancel(view: RunView, resource: Resource, patched: Mapping[str, object]) -> bool:
    state = patched.get("state")
    if state == resource["state"]:
        return False
    found = normalise_state(state) if isinstance(state, str) else None
    if found is RunState.CANCELLED:
        return True
    if found is view.state:
        return False
    mistakes = [
        Mistake(MistakeCode.INVALID_VALUE, "the test system decides the state: only cancelled can be set", "/state")
    ]
    raise ApiRefusedError(400 if found is None else 409, mistakes)


def _changed_document(
    view: RunView, resource: Resource, patched: Mapping[str, object], reader: BodyReader
) -> RunDocument | None:
    names = [name for name in CHANGEABLE if not is_equal(patched.get(name), resource.get(name))]
    if not names:
        return None
    known = view.document
    # What the patch does not name stays exactly as it was ordered, whatever of it is shown, and whichever rules of
    # another version it breaks.
    kept_names = CHANGEABLE.difference(names) - _REQUIRED
    read = reader.read_document({name: value for name, value in patched.items() if name not in kept_names}, known)
    kept = {ours: getattr(known, ours) for tmf, ours in _OURS.items() if tmf not in names}
    kept["other_attributes"] = merged_attributes(known.other_attributes, read.other_attributes, names)
    document = read.model_copy(update=kept)
    # One end alone may be changed; a window that was ordered otherwise, over Kafka, hinders no other change.
    if not _WINDOW.isdisjoint(names) and ends_before_start(document):
        raise refuse(400, MistakeCode.INVALID_VALUE, ENDS_BEFORE_START, "/endDateTime")
    return None if _is_same(document, known) else document


def _is_same(document: RunDocument, known: RunDocument) -> bool:
    # True == 1 in Python, and a client may change one to the other: compared as JSON, too.
    return document == known and is_equal(document.model_dump(mode="json"), known.model_dump(mode="json"))


_WINDOW = frozenset({"startDateTime", "endDateTime"})
_REQUIRED = frozenset({"name", "relatedService", "testSpecification"})
_OURS = {
    "name": "name",
    "description": "description",
    "mode": "mode",
    "relatedService": "related_service",
    "testSpecification": "test_specification",
    "characteristic": "characteristic",
    "relatedParty": "related_party",
    "testMeasure": "test_measure",
    "startDateTime": "start_date_time",
    "endDateTime": "end_date_time",
    "validFor": "valid_for",
}
