"""A preview shows what the service sends, without secrets and without sending anything."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from consumers.spokes.registry import spoke_for
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.run_document import Characteristic
from southbound.exit_codes import CommandFailedError
from southbound.operations.spokes.planned_calls import NotSent, PlannedCall, Planner
from southbound.operations.spokes.preview import preview
from tests.builders.runs import a_document, a_tree
from tests.builders.spokes import a_profile
from tests.harness.command_line import southbound
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from pathlib import Path

    from consumers.spokes.port import Call
    from schemas.catalogue import EventData

RUN = a_document(characteristic=(Characteristic(name="probes", value=5),), measures=("TM-1",), tenant="north")
CHANGED = RUN.model_copy(update={"version": 2, "description": "Second visit", "characteristic": ()})
CANCELLED = RunCancelled(run_id=RUN.run_id, root_run_id=RUN.run_id, reason="the fault is gone")
CHANGES: dict[str, Any] = {"patchable": ["description"]}
PROFILES: list[dict[str, Any]] = [
    CHANGES,
    CHANGES | {"version": "5.0"},
    CHANGES | {"cancel": "delete", "run_headers": {"tenant": "X-Tenant"}},
    CHANGES | {"mapping": {"send": [{"from": "/mode", "to": "/when"}]}, "payload": {"value_form": "alias"}},
]


def planned(profile: dict[str, Any], *data: EventData, every: bool = False) -> list[PlannedCall | NotSent]:
    events = [Event(headers=EventHeaders(id=f"E{number}"), data=one) for number, one in enumerate(data)]
    return [*Planner(spoke_for(a_profile(**profile)), every=every).plan(events)]


def calls_of(profile: dict[str, Any], *data: EventData) -> list[Call]:
    return [each.call for each in planned(profile, *data) if isinstance(each, PlannedCall)]


def comparable(call: Call, **external_ids: str) -> Call:
    """Return a call with the names that a preview gives to ids of the system, and without the ids of commands."""
    path, body = call.path, (call.body or b"").decode()
    for run_id, external_id in external_ids.items():
        path, body = (text.replace(external_id, f"EXTERNAL-ID-OF-{run_id}") for text in (path, body))
    key = call.idempotency_key if call.method == "POST" and "cancel" not in path else None
    return replace(call, path=path, body=body.encode() or None, idempotency_key=key)


def content_of(call: Call, parent: str) -> dict[str, Any]:
    """Return the body of a POST, with one name for the parent and without the address that the system gave it."""
    body: dict[str, Any] = orjson.loads((call.body or b"").decode().replace(parent, "PARENT"))
    for each in body.get("serviceTestRelationship", []):
        each.pop("href", None)
    return body


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_preview_is_what_the_service_sends(profile: dict[str, Any]) -> None:
    gateway = InMemoryGateway(profile=profile)
    await gateway.process_request(RUN)
    await gateway.process_change(CHANGED)
    await gateway.process_cancellation(RUN.run_id)
    sent = [call for _, call in gateway.system.calls if call.method != "GET"]
    external_id = gateway.row().external_id or ""
    cancelled = CANCELLED.model_copy(update={"reason": None})
    shown = calls_of(profile, RunRequested(run=RUN), RunChanged(run=CHANGED), cancelled)
    assert len(shown) == len(sent) == 3
    assert [*map(comparable, shown)] == [comparable(call, **{RUN.run_id: external_id}) for call in sent]


async def test_a_preview_of_a_hierarchy_is_what_the_service_sends() -> None:
    tree, profile = a_tree(children=2), {"relationship_encoding": "native"}
    gateway = InMemoryGateway(profile=profile)
    await gateway.process_request(tree)
    sent = [call for _, call in gateway.system.calls if call.method != "GET"]
    root = gateway.row(tree.run_id).external_id or ""
    shown = calls_of(profile, RunRequested(run=tree))
    assert [call.headers for call in shown] == [call.headers for call in sent]
    placeholder = f"EXTERNAL-ID-OF-{tree.run_id}"
    assert [content_of(call, placeholder) for call in shown] == [content_of(call, root) for call in sent]
    assert len(calls_of(profile, RunRequested(run=tree), CANCELLED)) == 2 * len(sent)


def test_what_a_change_does_not_send_is_said() -> None:
    found = planned(CHANGES, RunRequested(run=RUN), RunChanged(run=CHANGED))
    assert [each.about.partition(": The")[0] for each in found] == [
        "TR0001 is requested",
        "TR0001 is not changed: FIELD_NOT_CHANGEABLE",
        "TR0001 is changed",
    ]
    same = RUN.model_copy(update={"version": 2})
    assert isinstance(planned(CHANGES, RunRequested(run=RUN), RunChanged(run=same))[-1], NotSent)


def test_a_change_by_repost_is_a_cancellation_and_a_post() -> None:
    found = planned({"reposted": ["description"]}, RunRequested(run=RUN), RunChanged(run=CHANGED))
    assert [each.call.method for each in found if isinstance(each, PlannedCall)] == ["POST", "PATCH", "POST"]


def test_all_calls_about_a_run_are_shown_on_request() -> None:
    found = planned({"cancel": "delete"}, RunRequested(run=RUN), every=True)
    assert [each.call.method for each in found if isinstance(each, PlannedCall)] == ["POST", "GET", "GET", "DELETE"]


@pytest.mark.parametrize(
    "auth",
    [
        {"kind": "basic", "username": "ann", "password": "env:NOT_SET"},
        {"kind": "bearer", "token": "file:/not/there"},
        {"kind": "api_key", "header": "X-Lab", "key": "env:SOUTHBOUND_SECRET_LAB"},
        {"kind": "api_key_query", "parameter": "k", "key": "env:SOUTHBOUND_SECRET_LAB"},
        {
            "kind": "oauth2",
            "token_url": "https://login.example/token",
            "client_id": "southbound",
            "client_secret": "env:SOUTHBOUND_SECRET_LAB",
        },
    ],
)
async def test_no_secret_is_needed_or_shown(auth: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUTHBOUND_SECRET_LAB", "hidden-in-the-environment")
    fixed = {"headers": {"X-Api-Key": "hidden-key"}, "query_parameters": {"token": "hidden-token", "v": "2"}}
    profile = a_profile(auth=auth, tls={"ca": "/not/there"}, rate_limit={"calls_per_second": 0.001}, **fixed)
    events = [
        Event(headers=EventHeaders(id=f"E{run_id}"), data=RunRequested(run=a_document(run_id))) for run_id in "AB"
    ]
    found = await preview(profile, events)
    assert [each.method for each in found] == ["POST", "POST"]
    for each in found:
        text = each.as_text() + each.as_json()
        assert "hidden" not in text
        assert text.count("***") == 6
        assert "token=***&v=2" in text


@pytest.mark.parametrize("data", [RunChanged(run=CHANGED), CANCELLED])
def test_an_event_about_a_run_that_was_not_requested_before_is_refused(data: EventData) -> None:
    with pytest.raises(CommandFailedError, match="put the RunRequested of this run before it"):
        planned(CHANGES, data)


@pytest.mark.parametrize("dialect", ["tmf653", "jobs"])
def test_a_command_prints_the_requests_of_a_file(dialect: str, tmp_path: Path) -> None:
    profile, file = tmp_path / "lab.yaml", tmp_path / "run.json"
    profile.write_text(f"name: lab\nbase_url: http://127.0.0.1:9\ndialect: {dialect}\n", encoding="utf-8")
    written = {"type": "RunRequested", "data": {"run": RUN.model_dump(mode="json", exclude_defaults=True)}}
    file.write_bytes(orjson.dumps(written))
    result = southbound("spokes", "preview", str(profile), str(file))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("# TR0001 is requested\nPOST http://127.0.0.1:9/")
    (line,) = southbound("spokes", "preview", str(profile), str(file), "--json").stdout.splitlines()
    as_json = orjson.loads(line)
    assert as_json["body"] == orjson.loads(result.stdout.partition("\n\n")[2])
    assert f"X-Conversation-ID: {as_json['headers']['X-Conversation-ID']}" in result.stdout


def test_a_mistake_in_the_file_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("type: RunRequested\ndata: {run: {run_id: A}}\n", encoding="utf-8")
    result = southbound("spokes", "preview", "fibre-lab", str(file))
    assert result.exit_code == 2
    assert "run.yaml:2:" in result.stderr
