"""Orders that conflict with what became of earlier ones: ended and cancelled parents, deleted runs, taken ids."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from schemas.vocabulary import Phase, RunState
from tests.builders.runs import SINGLE, TREE, a_document, a_run
from tests.fixtures.northbound_server import NorthboundServer, a_northbound_server, an_order_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[NorthboundServer]:
    """The interface without runs."""
    async with a_northbound_server(tmp_path) as server:
        yield server


def a_child_of(parent: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any attribute of a ServiceTest
    """Return the body of a run below this one."""
    return an_order_body(serviceTestRelationship=[{"id": parent, "role": "parent"}], **more)


async def routed(api: NorthboundServer, run_id: str, **more: Any) -> None:  # noqa: ANN401 - any field of a row
    """Store the row that routing makes of an ordered run."""
    view = await api.store.orders.view((await api.call("GET", run_id)).body["id"])
    assert view is not None
    document = view.document.model_copy(update={"children": ()})
    await api.store.save(a_run(document=document, tenant=document.tenant, **more))


COMPLETED = {"phase": Phase.FULFILLED, "state": RunState.COMPLETED, "decision": TREE, "external_id": "X"}


@pytest.mark.parametrize("announced", [False, True], ids=["new child", "announced child"])
@pytest.mark.parametrize(
    ("row", "because"),
    [
        (COMPLETED, "the root run has ended"),
        ({"phase": Phase.FAILED, "state": RunState.FAILED, "decision": None}, "the root run has ended"),
        (COMPLETED | {"decision": SINGLE}, "the root run has ended"),
        ({"phase": Phase.CANCELLED, "state": RunState.CANCELLED, "decision": TREE}, "the root run is cancelled"),
        ({"phase": Phase.ACCEPTED, "decision": TREE, "cancel_requested": True}, "the root run is cancelled"),
        ({"phase": Phase.ACCEPTED, "decision": SINGLE}, "the root run is sent alone"),
        (None, "the root run is cancelled"),
    ],
)
async def test_a_child_that_would_never_be_sent_is_refused(
    api: NorthboundServer, row: dict[str, Any] | None, because: str, *, announced: bool
) -> None:
    names = [{"id": "C", "role": "child"}] if announced else []
    await api.order(id="ROOT", serviceTestRelationship=names)
    if row is None:
        await api.call("PATCH", "ROOT", {"state": "cancelled"})
    else:
        await routed(api, "ROOT", **row)
    published = len(api.events)
    answer = await api.call("POST", "", a_child_of("ROOT", id="C"))
    assert (answer.status, answer.body["status"]) == (409, "409")
    assert answer.body["propertyPath"] == "/serviceTestRelationship"
    assert because in answer.body["reason"], answer.body
    assert len(api.events) == published


@pytest.mark.parametrize(
    ("parent", "status"),
    [
        ({"phase": Phase.CANCELLED, "state": RunState.CANCELLED}, 409),
        ({"phase": Phase.FAILED, "state": RunState.REJECTED, "accepted_at": None}, 409),
        ({"phase": Phase.FULFILLED, "state": RunState.COMPLETED}, 201),  # the system has it, and takes runs below it
    ],
)
async def test_a_child_below_a_child_depends_on_that_parent(
    api: NorthboundServer, parent: dict[str, Any], status: int
) -> None:
    await api.order(id="ROOT", childServiceTest=[an_order_body(id="A")])
    await routed(api, "ROOT", phase=Phase.ACCEPTED, decision=TREE, external_id="X")
    await routed(api, "A", decision=TREE, **parent)
    assert (await api.call("POST", "", a_child_of("A"))).status == status


@pytest.mark.parametrize("by", ["id", "key"])
async def test_a_repeated_post_of_a_child_is_the_same_run_although_its_root_has_ended_since(
    api: NorthboundServer, by: str
) -> None:
    await api.order(id="ROOT")
    body = a_child_of("ROOT", **({"id": "C"} if by == "id" else {}))
    headers = {"Idempotency-Key": "one"} if by == "key" else {}
    first = await api.call("POST", "", body, headers=headers)
    await routed(api, "ROOT", **COMPLETED)
    published = len(api.events)
    again = await api.call("POST", "", body, headers=headers)
    assert (first.status, again.status, again.body["id"]) == (201, 201, first.body["id"])
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(api.events) == published
    other = await api.call("POST", "", body | {"name": "another"}, headers=headers)
    assert other.status == (409 if by == "id" else 422)
    assert "another body" in other.body["reason"]


async def test_an_id_of_a_deleted_run_is_not_said_to_be_one_that_can_be_changed(api: NorthboundServer) -> None:
    await api.order(id="ONE")
    assert (await api.call("DELETE", "ONE")).status == 204
    for name in ("Line test", "another"):
        answer = await api.call("POST", "", an_order_body(id="ONE", name=name))
        assert (answer.status, answer.body["reason"]) == (
            409,
            "the run of this order was deleted: send another id or key",
        )
    assert (await api.call("PATCH", "ONE", {"name": "x"})).status == 404


async def test_the_refusal_of_a_taken_id_names_the_nested_run_that_has_it(api: NorthboundServer) -> None:
    await api.order(id="ONE")
    answer = await api.call("POST", "", an_order_body(childServiceTest=[an_order_body(id="ONE", name="other")]))
    assert (answer.status, answer.body["propertyPath"]) == (409, "/childServiceTest")
    assert "the id ONE was ordered" in answer.body["reason"]
    assert [event.data.run.name for event in api.events if hasattr(event.data, "run")] == ["Line test"]


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        ({"endDateTime": "2026-01-01T09:59:59Z"}, 400),
        ({"startDateTime": "2026-01-01T11:00:01Z"}, 400),
        ({"endDateTime": "2026-01-01T10:00:00Z"}, 200),
        ({"startDateTime": "2026-01-02T10:00:00Z", "endDateTime": "2026-01-02T11:00:00Z"}, 200),
        ({"startDateTime": None, "endDateTime": "2025-01-01T10:00:00Z"}, 200),
    ],
)
async def test_one_end_of_the_window_is_compared_with_the_other_that_stays(
    api: NorthboundServer, patch: dict[str, Any], status: int
) -> None:
    await api.order(id="ONE", startDateTime="2026-01-01T10:00:00Z", endDateTime="2026-01-01T11:00:00Z")
    answer = await api.call("PATCH", "ONE", patch)
    assert answer.status == status
    assert status == 200 or answer.body["propertyPath"] == "/endDateTime"


async def test_a_window_that_came_over_kafka_hinders_no_other_change(api: NorthboundServer) -> None:
    noon, eleven = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 11, tzinfo=UTC)
    document = a_document("TR1", start_date_time=noon, end_date_time=eleven)
    await api.store.save(a_run(document=document, phase=Phase.ACCEPTED, external_id="X"))
    assert (await api.call("PATCH", "TR1", {"description": "changed"})).status == 200


@pytest.mark.parametrize("pointer", ["/~2", "/description~", "/characteristic/~/a"])
@pytest.mark.parametrize("member", ["path", "from"])
async def test_a_pointer_with_another_escape_is_no_pointer(api: NorthboundServer, pointer: str, member: str) -> None:
    await api.order(id="ONE")
    operation = {"op": "copy", "from": "/name", "path": "/description"} | {member: pointer}
    headers = {"Content-Type": "application/json-patch+json"}
    answer = await api.call("PATCH", "ONE", [operation], headers=headers)
    assert (answer.status, answer.body["propertyPath"]) == (400, "/0"), answer.body
    assert f"{member} must be a JSON pointer" in answer.body["reason"]
