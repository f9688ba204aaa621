"""Write runs as TMF653 `ServiceTest_Create` and `ServiceTest_Update`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.spokes.conventions.payload_form import PLAIN, PartyForm
from consumers.spokes.profile import LOOK_UPS_BY_NAME, LookUpMethod, Profile, RelationshipEncoding
from consumers.spokes.tmf653 import fields as wire
from consumers.spokes.tmf653.forms import write_characteristic, write_party
from consumers.spokes.tmf653.versions import VERSIONS
from router.runs.hierarchy import build_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from router.runs.hierarchy import RunTree
    from router.runs.run import RunRow
    from schemas.run_document import RunDocument

RequestBody = dict[str, object]

# Characters: a system that shortens names to the width of a column keeps at least so many.
_KEPT_BY_SYSTEMS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundIds:
    """The ids that a run is sent with; `parent` is what the external system knows of its parent."""

    request_id: str
    parent: RunRow | None = None


def outbound_name(profile: Profile, run: RunDocument) -> str:
    """Return the name by which the run is looked up: it contains the run id, early enough to survive a shortened name.

    A comma means "or" in a TMF filter (TMF630), so a name that is to be found has none; and no space that a system may
    drop.
    """
    if profile.look_up not in LOOK_UPS_BY_NAME:
        return run.name
    name = " ".join(run.name.replace(",", ";").split())
    return name if _contains_token(name[:_KEPT_BY_SYSTEMS], run.run_id) else f"{run.run_id} {name}"


def _contains_token(name: str, token: str) -> bool:
    # By hand: a pattern per run id would be compiled for every POST.
    start = name.find(token)
    while start >= 0:
        if not _is_token_character(name[start - 1 : start]) and not _is_token_character(name[start + len(token) :][:1]):
            return True
        start = name.find(token, start + 1)
    return False


def _is_token_character(character: str) -> bool:
    return character.isalnum() or character in {"_", "-"}


def create_body(profile: Profile, run: RunDocument, ids: OutboundIds) -> RequestBody:
    """Write a `ServiceTest_Create` (5.0: `ServiceTest_FVO`)."""
    version = VERSIONS[profile.version]
    body = _fields(profile, run, ids, wire.CREATE_FIELDS) | version.type_of("ServiceTest")
    if profile.send_state:
        body["state"] = "acknowledged"
    if profile.look_up is LookUpMethod.EXTERNAL_IDENTIFIER or version.external_identifiers:
        body["externalIdentifier"] = [wire.external_identifier(version, run)]
    if ids.parent is not None:
        body |= _relationship(profile.relationship_encoding, ids.parent)
    return {key: value for key, value in body.items() if value is not None and value != []}


def bundle_body(profile: Profile, root: RunDocument, ids: OutboundIds) -> RequestBody:
    """Write the root with its children nested below it, each with our run id to match the response by.

    Raises:
        HierarchyError: the children do not make a tree (routing has refused such a request before).
    """
    return _bundle_node(profile, build_tree(root), ids, {})


def children_body(
    profile: Profile, root: RunDocument, ids: OutboundIds, external_ids: Mapping[str, str]
) -> RequestBody:
    """Write the children of a root that was POSTed with them, as they shall be; `external_ids` by our run ids.

    Raises:
        HierarchyError: the children do not make a tree.
    """
    nodes = [_bundle_node(profile, child, ids, external_ids) for child in build_tree(root).children]
    return {wire.CHILDREN: nodes}


def _bundle_node(profile: Profile, tree: RunTree, ids: OutboundIds, external_ids: Mapping[str, str]) -> RequestBody:
    body = create_body(profile, tree.document, ids) | wire.HIERARCHICAL_TYPE
    if external_id := external_ids.get(tree.document.run_id):
        body.pop("state", None)  # it has one by now
        body = {"id": external_id, **body}
    if profile.relationship_encoding is not RelationshipEncoding.CHARACTERISTIC:
        body["externalIdentifier"] = [wire.external_identifier(VERSIONS[profile.version], tree.document)]
    if tree.children:
        body[wire.CHILDREN] = [_bundle_node(profile, child, ids, external_ids) for child in tree.children]
    return body


def update_body(profile: Profile, run: RunDocument, ids: OutboundIds, fields: Iterable[str]) -> RequestBody:
    """Write a `ServiceTest_Update`: these fields only, arrays whole, null for what is gone (RFC 7386)."""
    return _fields(profile, run, ids, fields)


def type_of_resource(profile: Profile, row: RunRow) -> RequestBody:
    """Return the `@type` of a run that was sent, which a `ServiceTest_MVO` of 5.0 requires."""
    bundled = row.decision is not None and row.decision.payload == "bundle"
    return VERSIONS[profile.version].type_of("HierarchicalServiceTest" if bundled else "ServiceTest")


def _fields(profile: Profile, run: RunDocument, ids: OutboundIds, fields: Iterable[str]) -> RequestBody:
    return {field: _field(profile, run, ids, field) for field in fields}


def _field(profile: Profile, run: RunDocument, ids: OutboundIds, field: str) -> object:
    version = VERSIONS[profile.version]
    if field == "name":
        return outbound_name(profile, run)
    form = profile.payload
    if field == "characteristic":
        ours = _our_characteristics(profile, run, ids)
        written = [*(wire.characteristic(version, one) for one in run.characteristic), *ours]
        return written if form is PLAIN else [write_characteristic(form, one) for one in written]
    if field == "testMeasure":
        return _requested_measures(profile, run)
    if field == "relatedParty" and form is not PLAIN:
        parties = run.related_party if form.related_party is not PartyForm.NONE else ()
        return [write_party(form, version, one) for one in parties]
    return wire.PLAIN_FIELDS[field](version, run)


def _requested_measures(profile: Profile, run: RunDocument) -> list[RequestBody]:
    version, form = VERSIONS[profile.version], profile.payload
    if not form.measures:
        return []
    definition_ids = version.definition_ids or form.definition_ids
    return wire.requested_measures(version, run, with_ids=profile.send_measure_ids, with_definition_ids=definition_ids)


def _our_characteristics(profile: Profile, run: RunDocument, sender: OutboundIds) -> list[RequestBody]:
    # Also part of a PATCH: an array replaces the whole array there.
    if profile.relationship_encoding is not RelationshipEncoding.CHARACTERISTIC:
        return []
    ids = {
        wire.RUN_ID: run.run_id,
        wire.ROOT_RUN_ID: run.root_run_id,
        wire.PARENT_RUN_ID: run.parent_run_id,
        wire.REQUEST_ID: sender.request_id,
    }
    return [wire.our_characteristic(VERSIONS[profile.version], name, value) for name, value in ids.items() if value]


def relationships_body(profile: Profile, parent: RunRow | None, children: Iterable[RunRow]) -> RequestBody:
    """Write to which runs another one is related: the whole list, as a PATCH replaces it."""
    ours = [_related(parent, "parent")] if parent is not None and parent.external_id is not None else []
    extension = wire.RELATED_TYPE if profile.relationship_encoding is RelationshipEncoding.EXTENSION else {}
    return {"serviceTestRelationship": [*ours, *(_related(child, "child") for child in children)], **extension}


def _relationship(encoding: RelationshipEncoding, parent: RunRow) -> RequestBody:
    if encoding not in {RelationshipEncoding.NATIVE, RelationshipEncoding.EXTENSION} or parent.external_id is None:
        return {}
    extension = wire.RELATED_TYPE if encoding is RelationshipEncoding.EXTENSION else {}
    return {"serviceTestRelationship": [_related(parent, "parent")], **extension}


def _related(row: RunRow, role: str) -> RequestBody:
    reference = wire.without_nulls(id=row.external_id, href=row.external_href, relationshipType="dependency", role=role)
    return reference | {"@type": "ServiceTestRelationship", "@referredType": "ServiceTest"}
