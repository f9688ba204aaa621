"""Decide which part of a change is made, and how: the rest is refused, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.runs.changes import FIELDS_THAT_ARE_SENT, MEASURES_FIELD, FieldChange, find_field_changes, measures_refusal
from router.runs.reports.information import asked_fields
from router.runs.run import replace
from schemas.results import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from router.runs.run import RunRow
    from schemas.run_document import RunDocument
    from schemas.vocabulary import RunState


OTHER_SPOKE = "OTHER_SPOKE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRules:
    """What a profile says about changes of a run that its system has; fields by their TMF653 names.

    `states` are those in which a change may still be made. `partial`: the rest of a change is made if a part of it is
    refused.
    """

    patchable: frozenset[str]
    reposted: frozenset[str] = frozenset()
    states: frozenset[RunState]
    partial: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePlan:
    """What is made of a change, and the reasons why the rest is not.

    `document` is what is in effect afterwards: what was requested, with the fields that are refused as they were.
    `by_repost`: the run is cancelled at its system and POSTed again with all of the changes.
    """

    document: RunDocument
    changes: tuple[FieldChange, ...]
    by_repost: bool
    refused: tuple[Reason, ...]
    takes_effect: bool


def plan_change(
    sent: RunDocument,
    requested: RunDocument,
    rules: ChangeRules,
    *,
    state: RunState | None = None,
    asked: frozenset[str] = frozenset(),
    no_repost: Reason | None = None,
    elsewhere: tuple[Reason, ...] = (),
) -> ChangePlan:
    """Plan the change from what was sent to what is requested now.

    A run whose `state` was never reported is not past the point of no return. `asked` are the fields that the system
    itself asks for: it takes them, and in any state if nothing else changes. `no_repost` is why this run
    cannot be POSTed again, `elsewhere` why another system would have to have it: it has the path of each such field.
    """
    changes = _all_changes(sent, requested)
    refused_before = {reason.property_path: reason for reason in elsewhere}
    no_repost = no_repost or next(iter(elsewhere), None)  # it is POSTed as a whole
    patched = [each for each in changes if each.field in rules.patchable | asked and each.path not in refused_before]
    reposted = [change for change in changes if change not in patched and change.field in rules.reposted]
    if no_repost is not None:
        reposted = []
    made = tuple(change for change in changes if change in patched or change in reposted)
    others = [change for change in changes if change not in made]
    refused = tuple(
        refused_before.get(change.path) or _refusal(change, sent, requested, rules, no_repost) for change in others
    )
    is_answer = all(change.field in asked for change in changes)
    if not is_answer and state is not None and state not in rules.states:
        return _refused_whole(sent, (_past_point_of_no_return(state), *refused))
    if refused and not rules.partial:
        return _refused_whole(sent, refused)
    document = _with_old_values(requested, others)
    return ChangePlan(
        document=document,
        changes=made,
        by_repost=bool(reposted),
        refused=refused,
        takes_effect=bool(made) or not refused or document.model_copy(update={"version": sent.version}) != sent,
    )


def plan_of(row: RunRow, rules: ChangeRules, no_repost: Reason | None = None) -> ChangePlan:
    """Plan the change of a run that its system has."""
    sent = row.sent or row.requested
    elsewhere = tuple(filter(_is_elsewhere, row.reasons))
    return plan_change(
        sent,
        row.requested,
        rules,
        state=row.state,
        asked=asked_fields(row),
        no_repost=no_repost,
        elsewhere=elsewhere,
    )


def with_fields_elsewhere(row: RunRow, elsewhere: tuple[Reason, ...]) -> RunRow:
    """Return the row with these reasons why fields are refused for which another system would have to have the run.

    Those of the change before are removed: this one says itself what it changes.
    """
    kept = tuple([reason for reason in row.reasons if not _is_elsewhere(reason)]) if row.reasons else ()
    if not elsewhere and len(kept) == len(row.reasons):
        return row
    return replace(row, reasons=(*kept, *elsewhere))


def _is_elsewhere(reason: Reason) -> bool:
    return reason.code == OTHER_SPOKE and reason.property_path is not None


def without_ignored(sent: RunDocument, document: RunDocument, ignored: Iterable[Reason]) -> RunDocument:
    """Return the document with the fields as they were that a system shows without the change.

    `ignored` are reasons that name these fields. If nothing of the change is left, it is what was sent before.
    """
    fields = {(reason.property_path or "").removeprefix("/") for reason in ignored}
    changes = _all_changes(sent, document)
    others = [change for change in changes if change.field in fields]
    return sent if others and len(others) == len(changes) else _with_old_values(document, others)


def _all_changes(sent: RunDocument, requested: RunDocument) -> tuple[FieldChange, ...]:
    changes = find_field_changes(sent, requested)
    if measures_refusal(sent, requested) is None:
        return changes
    return (*changes, FieldChange(field=MEASURES_FIELD, old=sent.test_measure, new=requested.test_measure))


def _refused_whole(sent: RunDocument, reasons: tuple[Reason, ...]) -> ChangePlan:
    return ChangePlan(document=sent, changes=(), by_repost=False, refused=reasons, takes_effect=False)


def _with_old_values(requested: RunDocument, others: list[FieldChange]) -> RunDocument:
    old = {FIELDS_THAT_ARE_SENT[change.field]: change.old for change in others}
    return requested.model_copy(update=old) if old else requested


def _refusal(
    change: FieldChange, sent: RunDocument, requested: RunDocument, rules: ChangeRules, no_repost: Reason | None
) -> Reason:
    if no_repost is not None and change.field in rules.reposted:
        return no_repost.model_copy(update={"property_path": f"/{change.field}"})
    if change.field == MEASURES_FIELD and (reason := measures_refusal(sent, requested)) is not None:
        return reason
    allowed = ", ".join(sorted(rules.patchable | rules.reposted)) or "nothing"
    return Reason(
        code="FIELD_NOT_CHANGEABLE",
        message=f"The external system changes {allowed} of a run that it has, not {change.field}.",
        property_path=f"/{change.field}",
    )


def _past_point_of_no_return(state: RunState) -> Reason:
    return Reason(
        code="PAST_POINT_OF_NO_RETURN",
        message=f"The run is {state.value}, and its external system takes no change in that state.",
    )
