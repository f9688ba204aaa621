"""Notice that the spoke selector chooses another system for a changed run than the one that it was routed to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from router.runs.changes import CHANGEABLE_FIELDS, find_field_changes
from router.runs.events import ChangeRefused, ChangeRequested
from router.runs.revisions.change_plan import OTHER_SPOKE
from router.runs.revisions.replacement import is_being_replaced
from router.selection.facts import facts_of
from router.selection.needed_fields import fields_of_paths
from router.selection.spoke_selector import ChosenSpoke, choose_spoke
from schemas.results import Reason

if TYPE_CHECKING:
    from router.runs.run import RunRow
    from router.selection.spoke_selector import SpokeSelector
    from schemas.run_document import RunDocument


def keep_spoke(
    selector: SpokeSelector, row: RunRow, requested: ChangeRequested, children: tuple[RunDocument, ...] = ()
) -> ChangeRequested | ChangeRefused:
    """Return the change of a run that stays at its system, or its refusal.

    The fields by which the selector chooses another system are refused with the reason that names both, and the rest is
    made. A run that its system has not accepted yet, or that is replaced there, is POSTed as a whole, so its change is
    refused as a whole.
    `children` are those that it has: they go where it goes, whatever the change says of them. Definitions that are used
    up are not known here.
    """
    known, changed = (one.model_copy(update={"children": children}) for one in (_known(row), requested.document))
    fields, chosen = _read_and_changed(selector, known, changed), None
    if fields:
        chosen = choose_spoke(selector, facts_of(changed))
    if not isinstance(chosen, ChosenSpoke) or chosen.spoke in (row.spoke, _spoke_of(selector, known)):
        return requested
    sent = [one.field for one in find_field_changes(known, changed) if CHANGEABLE_FIELDS[one.field] in fields]
    whole = _reason(row, chosen)
    reasons = tuple(whole.model_copy(update={"property_path": f"/{field}"}) for field in sent)
    if _is_posted_as_whole(row):
        return ChangeRefused(version=changed.version, reasons=reasons or (whole,))
    if not reasons:
        return replace(requested, left_out=whole)
    return replace(requested, elsewhere=reasons)


def _known(row: RunRow) -> RunDocument:
    return row.requested if row.sent is None or _is_posted_as_whole(row) else row.sent


def _is_posted_as_whole(row: RunRow) -> bool:
    return row.accepted_at is None or is_being_replaced(row)


def _read_and_changed(selector: SpokeSelector, known: RunDocument, changed: RunDocument) -> frozenset[str]:
    """Return the fields of a run document that the selector reads and that differ."""
    inputs = selector.table.inputs
    both = zip(selector.table.values_of(facts_of(known)), selector.table.values_of(facts_of(changed)), strict=True)
    # `repr`, because 1, 1.0 and True are equal.
    differ = [one.path or one.name for one, (old, new) in zip(inputs, both, strict=True) if repr(old) != repr(new)]
    return frozenset(fields_of_paths(differ)) - _CHILDREN


_CHILDREN = frozenset({"children", "child_run_ids"})


def _spoke_of(selector: SpokeSelector, document: RunDocument) -> str | None:
    chosen = choose_spoke(selector, facts_of(document))
    return chosen.spoke if isinstance(chosen, ChosenSpoke) else None


def _reason(row: RunRow, chosen: ChosenSpoke) -> Reason:
    return Reason(
        code=OTHER_SPOKE,
        message=f"With this change {chosen.decision.reference} chooses {chosen.spoke}, and the run stays at "
        f"{row.spoke}, to which it was routed: to have it at {chosen.spoke}, cancel it and order another run.",
    )
