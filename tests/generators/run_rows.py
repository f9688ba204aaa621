"""Strategies for run rows of every kind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from router.responses import Purpose
from router.runs.checks.cancellation import FollowedTask
from router.runs.checks.watch import Missing, Watch
from router.runs.deadlines.deadline import Deadline
from router.runs.failed_attempt import FailedAttempt
from router.runs.revisions.replaced_tests import Replacement
from router.runs.run import LastNotification, RunRow
from schemas.commands import PinnedDecision
from schemas.results import AppliedConsequence, Reason, ReportedMeasure, RuleViolation, TolerancePeriod
from schemas.run_document import Characteristic, RunDocument, ServiceRef, SpecificationRef
from schemas.vocabulary import MeasureIdOrigin, Mode, Phase, Result, RunState

# PostgreSQL does not allow NUL in text columns; inside JSON documents it is allowed.
characters = st.characters(codec="utf-8", exclude_characters="\0")
nonempty_texts = st.text(characters, min_size=1, max_size=12).map(str.strip).filter(bool)
optional_texts = st.none() | nonempty_texts
moments = st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone follows
optional_moments = st.none() | moments
any_text = st.text(st.characters(codec="utf-8"), max_size=12).map(str.strip)
scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | any_text
json_values = st.recursive(
    st.none() | scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=5,
)
values: st.SearchStrategy[Any] = st.one_of(st.none(), scalars, json_values)


@st.composite
def documents(draw: st.DrawFn) -> RunDocument:
    """Draw a run document."""
    run_id = draw(nonempty_texts)
    return RunDocument(
        run_id=run_id,
        root_run_id=draw(nonempty_texts),
        parent_run_id=draw(optional_texts),
        version=draw(st.integers(1, 9)),
        name=draw(nonempty_texts),
        description=draw(st.none() | any_text),
        mode=draw(st.sampled_from(Mode)),
        test_specification=SpecificationRef(id=draw(nonempty_texts)),
        related_service=ServiceRef(id=draw(nonempty_texts), name=draw(optional_texts)),
        characteristic=tuple(
            Characteristic(name=name, value=draw(values)) for name in draw(st.lists(nonempty_texts, max_size=3))
        ),
        start_date_time=draw(optional_moments),
        order=draw(st.integers(0, 99)),
        children=draw(st.just(()) | st.tuples(st.builds(_child, nonempty_texts, nonempty_texts))),
    )


def _child(run_id: str, parent: str) -> RunDocument:
    return RunDocument(
        run_id=run_id,
        root_run_id=parent,
        parent_run_id=parent,
        name=run_id,
        test_specification=SpecificationRef(id="child"),
        related_service=ServiceRef(id="PI0001"),
    )


consequences = st.builds(
    AppliedConsequence,
    id=nonempty_texts,  # the state machine gives one to each
    name=optional_texts,
    description=optional_texts,
    applied_action=optional_texts,
    repeat_action=st.none() | st.booleans(),
)
violations = st.builds(
    RuleViolation,
    id=optional_texts,
    severity=optional_texts,
    conformance_comparator_exact=st.none() | st.booleans(),
    number_of_allowed_crossing=st.none() | st.integers(-(2**63), 2**63 - 1),
    tolerance_period=st.none()
    | st.builds(TolerancePeriod, amount=st.none() | st.integers(0, 99), units=optional_texts),
    applied_consequence=st.just(()) | st.lists(consequences, max_size=2).map(tuple),
)
measures = st.builds(
    ReportedMeasure,
    id=nonempty_texts,
    id_origin=st.sampled_from(MeasureIdOrigin),
    metric_name=optional_texts,
    metric_href=optional_texts,
    value=values,
    value_type=optional_texts,
    unit_of_measure=optional_texts,
    accuracy=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    capture_date_time=optional_moments,
    capture_method=optional_texts,
    rule_violation=st.lists(violations, max_size=2).map(tuple),
)


replacements = st.builds(
    Replacement,
    ended=st.lists(nonempty_texts, max_size=3, unique=True).map(tuple),
    cancelling=st.booleans(),
    base=st.none() | documents(),
)


watches = st.builds(Watch, missing=st.sampled_from(Missing), since=moments, due=moments, answers=st.integers(0, 99))


followed_tasks = st.builds(FollowedTask, id=nonempty_texts, since=moments, due=moments, absences=st.integers(0, 99))


deadlines = st.builds(
    Deadline,
    expires=moments,
    jeopardy=optional_moments,
    left=st.none() | st.floats(0, 1e9),
    left_until_jeopardy=st.none() | st.floats(0, 1e9),
    is_set=st.booleans(),
)


failed_attempts = st.builds(
    FailedAttempt,
    number=st.integers(1, 99),
    at=moments,
    next_at=optional_moments,
    code=nonempty_texts,
    message=any_text,
    was_refused=st.booleans(),
    was_answered=st.booleans(),
    purpose=st.sampled_from([Purpose.SEND, Purpose.CHANGE, Purpose.CANCEL]),
    command=any_text,
    first_at=optional_moments,
    excluded=st.integers(0, 99),
    excluded_seconds=st.floats(0, 1e6),
    is_excluded=st.booleans(),
    follows=any_text,
)

last_notifications = st.builds(
    LastNotification,
    cause=any_text,
    process_id=nonempty_texts,
    revision=st.integers(1, 9),
    updates=st.lists(any_text, max_size=2).map(tuple),
    result=optional_texts,
    traceparent=optional_texts,
    replay=optional_texts,
    wrong_key=optional_texts,
)


@st.composite
def run_rows(draw: st.DrawFn) -> RunRow:
    """Draw a row at revision 1."""
    requested = draw(documents())
    return RunRow(
        run_id=draw(nonempty_texts),
        root_run_id=draw(nonempty_texts),
        parent_run_id=draw(optional_texts),
        tenant=draw(optional_texts),
        request_id=draw(nonempty_texts),
        spoke=draw(nonempty_texts),
        decision=draw(
            st.none()
            | st.builds(PinnedDecision, policy=nonempty_texts, selector=nonempty_texts, hierarchical=st.booleans())
        ),
        phase=draw(st.sampled_from(Phase)),
        state=draw(st.none() | st.sampled_from(RunState)),
        result=draw(st.none() | st.sampled_from(Result)),
        external_id=draw(optional_texts),
        external_href=draw(optional_texts),
        requested=requested,
        sent=draw(st.sampled_from([None, requested]) | documents()),
        accepted_version=draw(st.integers(0, 9)),
        measures=tuple(draw(st.lists(measures, max_size=3))),
        reasons=tuple(draw(st.lists(st.builds(Reason, code=nonempty_texts, message=any_text), max_size=2))),
        cancel_requested=draw(st.booleans()),
        processed_reports=tuple(draw(st.lists(any_text, max_size=3))),
        processed_events=tuple(draw(st.lists(any_text, max_size=3))),
        created_at=draw(moments),
        sent_at=draw(optional_moments),
        accepted_at=draw(optional_moments),
        finished_at=draw(optional_moments),
        updated_at=draw(moments),
        revision=1,
        watch=draw(st.none() | watches),
        deadline=draw(st.none() | deadlines),
        failed_attempt=draw(st.none() | failed_attempts),
        last_notification=draw(st.none() | last_notifications),
        cancellation=draw(st.none() | followed_tasks),
        replacement=draw(st.none() | replacements),
        state_event_at=draw(optional_moments),
    )
