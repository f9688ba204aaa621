"""A change is made as far as the profile allows it, and the rest is refused with the fields named."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from router.runs.changes import FIELDS_THAT_ARE_SENT, find_field_changes, measures_refusal
from router.runs.revisions.change_plan import ChangePlan, ChangeRules, plan_change, without_ignored
from schemas.results import Reason
from schemas.run_document import (
    Characteristic,
    RelatedParty,
    RequestedMeasure,
    ServiceRef,
    SpecificationRef,
    ValidityPeriod,
)
from schemas.vocabulary import Mode, RunState
from tests.builders.runs import NOON, a_document

SENT = a_document()
NEW: dict[str, Any] = {
    "name": "Line test 2",
    "description": "again",
    "mode": Mode.PROACTIVE,
    "characteristic": (Characteristic(name="url", value="http://example.org"),),
    "relatedParty": (RelatedParty(id="P1", referred_type="Individual"),),
    "relatedService": ServiceRef(id="PI0002"),
    "testSpecification": SpecificationRef(id="copper-line"),
    "startDateTime": NOON,
    "endDateTime": NOON + timedelta(hours=1),
    "validFor": ValidityPeriod(end_date_time=NOON),
    "testMeasure": (RequestedMeasure(id="TM1", metric_name="speed"),),
}
FIELDS = st.frozensets(st.sampled_from(sorted(NEW)))
STATES = frozenset({RunState.ACKNOWLEDGED, RunState.PENDING})
NO_REPOST = Reason(code="REPOST_NOT_POSSIBLE", message="no")


def requested(*fields: str, version: int = 2) -> Any:  # noqa: ANN401 - a document
    new = {FIELDS_THAT_ARE_SENT[field]: NEW[field] for field in fields}
    return SENT.model_copy(update={**new, "version": version})


def rules(patchable: frozenset[str], reposted: frozenset[str] = frozenset(), *, partial: bool = True) -> ChangeRules:
    return ChangeRules(patchable=patchable, reposted=reposted - patchable, states=STATES, partial=partial)


def refused_fields(plan: ChangePlan) -> list[str | None]:
    return [reason.property_path for reason in plan.refused]


def test_every_field_that_is_sent_is_planned() -> None:
    assert NEW.keys() == FIELDS_THAT_ARE_SENT.keys()


@given(FIELDS, FIELDS, FIELDS)
def test_each_field_is_made_or_refused_and_the_document_has_exactly_what_is_made(
    fields: frozenset[str], patchable: frozenset[str], reposted: frozenset[str]
) -> None:
    plan = plan_change(SENT, requested(*fields), rules(patchable, reposted))
    allowed = fields & (patchable | reposted)
    assert {change.field for change in plan.changes} == allowed
    assert sorted(refused_fields(plan)) == sorted(f"/{field}" for field in fields - allowed)  # type: ignore[type-var]
    assert plan.document == requested(*allowed)
    assert plan.by_repost is bool(allowed - patchable)
    assert plan.takes_effect is (bool(allowed) or not fields)


@given(FIELDS, FIELDS, FIELDS, FIELDS)
def test_fields_for_which_another_system_would_have_to_have_the_run_are_refused_whatever_the_profile_says(
    fields: frozenset[str], patchable: frozenset[str], reposted: frozenset[str], moving: frozenset[str]
) -> None:
    elsewhere = tuple(Reason(code="OTHER_SPOKE", message="no", property_path=f"/{field}") for field in sorted(moving))
    plan = plan_change(SENT, requested(*fields), rules(patchable, reposted), elsewhere=elsewhere)
    made = fields & (patchable if moving else patchable | reposted) - moving
    assert plan.document == requested(*made)
    assert {reason for reason in elsewhere if reason.property_path in {f"/{field}" for field in fields}} <= {
        *plan.refused
    }
    assert plan.by_repost is bool(made - patchable)


@given(FIELDS, FIELDS, FIELDS)
def test_the_next_change_is_not_blocked_by_what_was_refused(
    fields: frozenset[str], patchable: frozenset[str], later: frozenset[str]
) -> None:
    first = plan_change(SENT, requested(*fields), rules(patchable))
    second = plan_change(first.document, requested(*fields, *later, version=3), rules(patchable))
    assert {change.field for change in second.changes} == (later - fields) & patchable
    assert {*refused_fields(second)} == {f"/{field}" for field in (fields | later) - patchable}


@given(FIELDS, FIELDS)
def test_where_a_change_is_made_as_a_whole_one_refused_field_refuses_all(
    fields: frozenset[str], patchable: frozenset[str]
) -> None:
    plan = plan_change(SENT, requested(*fields), rules(patchable, partial=False))
    if fields <= patchable:
        assert (plan.document, plan.refused) == (requested(*fields), ())
    else:
        assert (plan.changes, plan.takes_effect, plan.document) == ((), False, SENT)
        assert {*refused_fields(plan)} == {f"/{field}" for field in fields - patchable}


@given(FIELDS, FIELDS, st.sampled_from(sorted(RunState)))
def test_past_the_point_of_no_return_nothing_is_made(
    fields: frozenset[str], patchable: frozenset[str], state: RunState
) -> None:
    plan = plan_change(SENT, requested(*fields), rules(patchable), state=state)
    late = bool(fields) and state not in STATES
    assert ("PAST_POINT_OF_NO_RETURN" in {reason.code for reason in plan.refused}) is late
    assert not (late and (plan.changes or plan.takes_effect))


@given(FIELDS, FIELDS, FIELDS)
def test_a_run_that_cannot_be_posted_again_gets_the_part_that_is_patched(
    fields: frozenset[str], patchable: frozenset[str], reposted: frozenset[str]
) -> None:
    plan = plan_change(SENT, requested(*fields), rules(patchable, reposted), no_repost=NO_REPOST)
    assert not plan.by_repost
    assert {change.field for change in plan.changes} == fields & patchable
    why = {reason.property_path for reason in plan.refused if reason.code == NO_REPOST.code}
    assert why == {f"/{field}" for field in fields & (reposted - patchable)}


def test_what_the_system_asks_for_it_takes() -> None:
    plan = plan_change(SENT, requested("testMeasure", "mode"), rules(frozenset()), asked=frozenset({"testMeasure"}))
    assert [change.field for change in plan.changes] == ["testMeasure"]
    assert refused_fields(plan) == ["/mode"]


def test_fault_the_answer_to_a_question_was_refused_because_of_the_state_in_which_the_system_asks() -> None:
    past = ChangeRules(patchable=frozenset({"mode"}), states=frozenset({RunState.ACKNOWLEDGED}))
    asked = frozenset({"testMeasure"})
    answer = plan_change(SENT, requested("testMeasure"), past, state=RunState.PENDING, asked=asked)
    assert [change.field for change in answer.changes] == ["testMeasure"]
    assert answer.refused == ()
    more = plan_change(SENT, requested("testMeasure", "mode"), past, state=RunState.PENDING, asked=asked)
    assert (more.changes, more.refused[0].code) == ((), "PAST_POINT_OF_NO_RETURN")


def test_what_is_not_sent_takes_effect_beside_a_refused_field() -> None:
    plan = plan_change(SENT, requested("mode").model_copy(update={"priority": 1}), rules(frozenset()))
    assert (plan.takes_effect, plan.document.priority, plan.document.mode) == (True, 1, SENT.mode)


def test_a_refusal_names_the_field_and_what_may_change_instead() -> None:
    plan = plan_change(SENT, requested("mode"), rules(frozenset({"name", "description"})), state=RunState.IN_PROGRESS)
    assert "inProgress" in plan.refused[0].message
    assert plan.refused[1].message == "The external system changes description, name of a run that it has, not mode."
    (nothing,) = plan_change(SENT, requested("mode"), rules(frozenset())).refused
    assert "nothing" in nothing.message


@given(FIELDS, FIELDS)
def test_what_a_system_ignores_of_a_post_is_not_in_effect(fields: frozenset[str], ignored: frozenset[str]) -> None:
    reasons = [Reason(code="CHANGE_NOT_SHOWN", message="", property_path=f"/{field}") for field in ignored]
    document = without_ignored(SENT, requested(*fields), reasons)
    left = {change.field for change in find_field_changes(SENT, document)}
    left |= {"testMeasure"} if measures_refusal(SENT, document) else set()
    assert left == fields - ignored
    assert document.version == (1 if fields and not left else 2)
