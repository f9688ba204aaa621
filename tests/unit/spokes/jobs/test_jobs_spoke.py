"""The dialect `jobs`: what is written can be read back, and whatever a system sends is a report or one sentence."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.spokes.jobs.job import STATES
from consumers.spokes.jobs.spoke import JobsSpoke
from consumers.spokes.port import NotAboutARunError, NotUnderstoodError
from router.responses import HttpResponse
from router.runs.changes import find_field_changes
from schemas.run_document import Characteristic
from schemas.vocabulary import Phase, RunState
from tests.builders.runs import TREE, a_document, a_run, a_tree
from tests.builders.spokes import a_command, a_notification, a_profile, json_of

SPOKE = JobsSpoke(a_profile(dialect="jobs"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    "jobId",
    "status",
    "reference",
    "readings",
    "fault",
    "steps",
    "type",
    "sequence",
    "parameters",
    "value",
    "key",
)


def a_job(**fields: object) -> HttpResponse:
    return HttpResponse(status=200, body=orjson.dumps({"jobId": 4711, **fields}))


@pytest.mark.parametrize(("number", "state"), STATES.items())
def test_a_number_is_a_state(number: int, state: RunState) -> None:
    report = SPOKE.read_reply(a_job(status=number))
    assert (report.state, report.raw_state) == (state, str(number))


def test_a_profile_adds_states_and_an_unknown_one_is_kept_raw() -> None:
    spoke = JobsSpoke(a_profile(dialect="jobs", state_spellings={"70": "completed", "70b": "failed"}))
    assert spoke.read_reply(a_job(status=70)).state is RunState.COMPLETED
    unknown = SPOKE.read_reply(a_job(status=70))
    assert (unknown.state, unknown.raw_state) == (None, "70")


def test_a_plan_nests_its_children_as_steps_and_its_answer_names_each() -> None:
    order = json_of(SPOKE.to_send(a_command(a_tree(), TREE.model_copy(update={"payload": "bundle"})), None))
    assert [step["reference"] for step in order["steps"]] == ["TR0001-1", "TR0001-2", "TR0001-3"]
    steps = [{"jobId": number, "status": 10, **step} for number, step in enumerate(order["steps"])]
    report = SPOKE.read_reply(a_job(**{**order, "steps": steps}))
    assert [child.external_identifier for child in report.children] == ["TR0001-1", "TR0001-2", "TR0001-3"]


def test_an_answer_that_shows_another_value_contradicts_a_change() -> None:
    row = a_run(phase=Phase.ACCEPTED, external_id="4711")
    changed = a_document(description="new", characteristic=(Characteristic(name="speed", value=2),))
    changes = find_field_changes(row.requested, changed)
    assert json_of(SPOKE.to_change(row, changes, "key")) == {"note": "new", "parameters": {"speed": 2}}
    assert SPOKE.contradictions(a_job(note="new", parameters={"speed": 2}), row, changes) == ()
    assert SPOKE.contradictions(a_job(), row, changes) == ()
    (reason,) = SPOKE.contradictions(a_job(note="new", parameters={"speed": 1}), row, changes)
    assert (reason.code, "parameters" in reason.message) == ("CHANGE_NOT_SHOWN", True)
    (another,) = SPOKE.contradictions(a_job(jobId=4712, note="new"), row, changes)
    assert "another job" in another.message
    (unreadable,) = SPOKE.contradictions(HttpResponse(status=200, body=b"null"), row, changes)
    assert unreadable.code == "CHANGE_NOT_SHOWN"


def test_an_end_without_readings_is_read_again() -> None:
    event = {"type": "job.status", "jobId": 4711, "sequence": 2}
    thin = [SPOKE.read_callback(a_notification({**event, "status": status})).thin for status in (10, 20, 30, 40, 50)]
    assert thin == [False, False, True, True, False]
    assert SPOKE.read_callback(a_notification({**event, "status": 10})).event_id == "4711/2"
    assert not SPOKE.read_callback(a_notification({**event, "status": 30, "readings": []})).thin


def test_an_event_about_something_else_is_not_about_a_run() -> None:
    with pytest.raises(NotAboutARunError, match=r"line\.down is about no job"):
        SPOKE.check_callback(a_notification({"type": "line.down", "jobId": 1}))


@given(segment=st.text(min_size=1, max_size=20))
def test_an_id_of_the_system_never_names_another_resource(segment: str) -> None:
    path = SPOKE.to_read(segment.encode(errors="ignore").decode() or "x").path
    assert path.count("/") == 2
    assert path.rpartition("/")[2] not in {".", ".."}
    assert "?" not in path


@given(values=st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_whatever_a_system_sends_is_a_report_or_one_sentence(values: dict[str, Any]) -> None:
    try:
        body = orjson.dumps(values)
    except TypeError:  # a number that JSON does not have
        return
    response = HttpResponse(status=200, body=body)
    for read in (
        lambda: SPOKE.read_reply(response),
        lambda: SPOKE.read_page(response, a_document()),
        lambda: SPOKE.check_callback(a_notification(body)),
        lambda: SPOKE.read_callback(a_notification(body)),
    ):
        with suppress(NotUnderstoodError):
            read()


def test_a_body_of_deep_steps_is_refused() -> None:
    deep = b'{"jobId": 1, "steps": [' * 5_000 + b"]}" * 5_000
    with pytest.raises(NotUnderstoodError):
        SPOKE.read_reply(HttpResponse(status=200, body=deep))
