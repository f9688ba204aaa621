"""The contract of spokes, checked for every spoke of the registry and every shipped profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest

from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.profile import ResultChannel
from consumers.spokes.profile_loader import load_profiles
from consumers.spokes.registry import SPOKE_FACTORIES, spoke_for
from consumers.spokes.tmf653.versions import VERSIONS
from router.responses import HttpResponse, Purpose
from router.runs.changes import find_field_changes
from schemas.vocabulary import Phase, RunState
from tests.builders.runs import TREE, a_document, a_run, a_tree
from tests.builders.spokes import a_command, a_notification, a_profile

if TYPE_CHECKING:
    from consumers.spokes.port import Spoke

ROOT = Path(__file__).parents[3]
SHIPPED = load_profiles(sorted((ROOT / "southbound" / "defaults" / "spokes").glob("*.yaml")))
# Recorded responses of each dialect's systems; a new dialect adds its own folder.
RECORDED = {
    "tmf653": ROOT / "tests" / "data" / "spokes" / "tmf653",
    "jobs": ROOT / "southbound" / "defaults" / "new_dialect" / "recorded",
}
SPOKES_BY_NAME = (
    {dialect: spoke_for(a_profile(dialect=dialect)) for dialect in SPOKE_FACTORIES}
    | {f"tmf653 {version}": spoke_for(a_profile(version=version)) for version in VERSIONS}
    | {profile.name: spoke_for(profile) for profile in SHIPPED}
)
every_spoke = pytest.mark.parametrize("spoke", SPOKES_BY_NAME.values(), ids=SPOKES_BY_NAME.keys())


def recorded_reply(spoke: Spoke, name: str) -> bytes:
    return (RECORDED[spoke.profile.dialect] / name).read_bytes()


def a_list(spoke: Spoke, *posted: dict[str, object]) -> HttpResponse:
    """Return the list that a system of this dialect would show of what was POSTed to it."""
    if spoke.profile.dialect == "jobs":
        jobs = [{"jobId": number, **order} for number, order in enumerate(posted, 1)]
        return HttpResponse(status=200, body=orjson.dumps({"jobs": jobs, "total": len(jobs)}))
    return HttpResponse(status=200, body=orjson.dumps([{"id": str(n), **run} for n, run in enumerate(posted, 1)]))


def test_the_profiles_of_the_demo_are_shipped() -> None:
    labs = {profile.name: profile for profile in SHIPPED}
    assert set(labs) == {"fibre-lab", "copper-lab"}
    assert labs["fibre-lab"].base_url == "http://127.0.0.1:8701/tmf-api/serviceTestManagement/v4"
    assert labs["copper-lab"].base_url == "http://127.0.0.1:8702/tmf-api/serviceTestManagement/v4"
    assert all(ResultChannel.CALLBACK in lab.result_channels for lab in SHIPPED)
    assert "characteristic" in labs["fibre-lab"].patchable
    assert not labs["copper-lab"].patchable


@every_spoke
def test_the_same_command_is_always_the_same_call(spoke: Spoke) -> None:
    for command in (a_command(), a_command(a_tree(), TREE.model_copy(update={"payload": "bundle"}))):
        first, second = (spoke.to_send(command, None) for _ in range(2))
        assert first == second
        assert first.purpose is Purpose.SEND
        assert first.body is not None
        assert first.content_type


@every_spoke
def test_every_call_has_its_purpose(spoke: Spoke) -> None:
    row = a_run(phase=Phase.ACCEPTED)
    change = spoke.to_change(row, find_field_changes(row.requested, a_document(description="new")), "key-2")
    cancel, read = spoke.to_cancel(row, "too late", "key-3"), spoke.to_read("ext-1")
    assert (change.purpose, change.idempotency_key) == (Purpose.CHANGE, "key-2")
    assert (cancel.purpose, cancel.idempotency_key) == (Purpose.CANCEL, "key-3")
    assert (read.purpose, read.body) == (Purpose.READ, None)
    look_up = spoke.to_look_up(row.requested)
    assert look_up is None or look_up.purpose is Purpose.LOOK_UP
    assert all(call.path.startswith("/") for call in (change, cancel, read))


@every_spoke
def test_a_recorded_acceptance_names_the_external_id(spoke: Spoke) -> None:
    report = spoke.read_reply(HttpResponse(status=201, body=recorded_reply(spoke, "accepted.json")))
    assert (report.external_id, report.state) == ("89757", RunState.ACKNOWLEDGED)


@every_spoke
def test_a_recorded_completion_brings_measures(spoke: Spoke) -> None:
    report = spoke.read_callback(a_notification(recorded_reply(spoke, "completed.json")))
    assert (report.external_id, report.state, report.thin) == ("89757", RunState.COMPLETED, False)
    assert report.event_id
    assert [(measure.id, measure.has_value) for measure in report.measures] == [("TM0007", True)]
    assert report.measures[0].rule_violation[0].name == "tooMuchTraffic"


@every_spoke
def test_what_was_posted_is_found_again(spoke: Spoke) -> None:
    posted = orjson.loads(spoke.to_send(a_command(), None).body or b"")
    other = orjson.loads(spoke.to_send(a_command(a_document("TR9999")), None).body or b"")
    found = spoke.read_page(a_list(spoke, other, posted), a_document()).found
    assert found is not None
    assert found.external_id == "2"
    assert spoke.read_page(a_list(spoke), a_document()).found is None
    assert spoke.read_page(a_list(spoke, other), a_document()).found is None


@every_spoke
@pytest.mark.parametrize("body", [b"\xff", b"<html>", b'"text"', b"[[]]"])
def test_an_unreadable_body_is_refused_in_a_sentence(spoke: Spoke, body: bytes) -> None:
    with pytest.raises(NotUnderstoodError, match=r"\w+ \w+"):
        spoke.read_reply(HttpResponse(status=200, body=body))
    with pytest.raises(NotUnderstoodError, match=r"\w+ \w+"):
        spoke.read_callback(a_notification(body))
