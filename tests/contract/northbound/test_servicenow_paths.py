"""ServiceNow's Service Test Management Open API, as the northbound interface serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession

from router.northbound.not_kept import NOT_KEPT_HEADER
from router.northbound.principal import Principal, Scope
from schemas.results import ReportedMeasure, RuleViolation
from schemas.vocabulary import MeasureIdOrigin, Phase, RunState
from southbound.simulator.instance.rules import check_run
from southbound.simulator.instance.service_now import ServiceNowInstance
from tests.builders.runs import NOON
from tests.fixtures.servicenow_server import ServiceNowServer, a_servicenow_body, a_servicenow_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

RULE = {"conformanceTargetLower": "5", "numberOfAllowedCrossing": "0", "tolerancePeriod": "15 Minutes"}
MEASURE = {"id": "TM1", "metricName": "Flow speed"}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[ServiceNowServer]:
    async with a_servicenow_server(tmp_path) as server:
        yield server


async def run_id_of(desk: ServiceNowServer, own_id: str) -> str:
    """Return the id that Southbound gave a run."""
    return str((await desk.api.call("GET", own_id)).body["id"])


async def test_a_run_is_ordered_read_changed_and_cancelled(desk: ServiceNowServer) -> None:
    body = a_servicenow_body(id="sys-1", startDateTime="2026-07-01 10:00:00", testMeasure=[MEASURE | {"value": ""}])
    ordered = await desk.call("POST", "", body)
    assert (ordered.status, ordered.body["id"], ordered.body["state"]) == (200, "sys-1", "acknowledged")
    check_run(ordered.body)
    read = await desk.call("GET", "/sys-1?fields=startDateTime,testMeasure,unknown")
    assert read.body == {"id": "sys-1", "startDateTime": "2026-07-01 10:00:00", "testMeasure": [MEASURE]}
    changed = await desk.call(
        "PATCH", "/sys-1", a_servicenow_body(description="again", testMeasure=[{"id": "TM2", "metricName": "Loss"}])
    )
    assert (changed.status, changed.body["description"]) == (200, "again")
    assert [measure["id"] for measure in changed.body["testMeasure"]] == ["TM1", "TM2"]
    cancelled = await desk.call("PATCH", "/sys-1", a_servicenow_body(state="canceled"))
    assert (cancelled.status, cancelled.body["state"]) == (200, "canceled")
    kinds = [message.headers for message in desk.resources.publisher.published]
    assert len(kinds) == 3  # requested, changed, cancelled


async def test_the_result_has_ids_of_measures_violations_and_consequences(desk: ServiceNowServer) -> None:
    await desk.call("POST", "", a_servicenow_body(id="sys-1", testMeasure=[MEASURE]))
    run_id = await run_id_of(desk, "sys-1")
    violation = RuleViolation(name="too slow", conformance_target_lower="5", consequence="replace the line")
    measured = ReportedMeasure(id="TM1", id_origin=MeasureIdOrigin.REPORTED, value=3000, rule_violation=(violation,))
    await desk.route(
        run_id, phase=Phase.FULFILLED, state=RunState.COMPLETED, finished_at=NOON, measures=(measured,), revision=1
    )
    for own in ("sys-1", run_id):
        run = (await desk.call("GET", f"/{own}")).body
        assert (run["id"], run["state"], run["endDateTime"]) == ("sys-1", "completed", "2026-11-23 13:00:00")
        [measure] = run["testMeasure"]
        assert (measure["id"], measure["value"]) == ("TM1", "3000")
        [shown] = measure["ruleViolation"]
        assert shown["id"]
        assert shown["appliedConsequence"][0]["id"]
        check_run(run)


async def test_the_validity_of_results_and_what_names_a_part_of_a_run_are_kept(desk: ServiceNowServer) -> None:
    valid = {"startDateTime": "2026-07-01 10:00:00", "endDateTime": ""}
    characteristic = {"id": "c-1", "name": "url", "value": "x"}
    await desk.call("POST", "", a_servicenow_body(id="sys-1", validFor=valid, characteristic=[characteristic]))
    shown = (await desk.call("GET", "/sys-1")).body
    assert shown["validFor"] == {"startDateTime": "2026-07-01 10:00:00"}
    check_run(shown)
    as_tmf = (await desk.api.call("GET", await run_id_of(desk, "sys-1"))).body
    assert (as_tmf["validFor"], as_tmf["characteristic"][0]["id"]) == (
        {"startDateTime": "2026-07-01T08:00:00.000Z"},
        "c-1",
    )
    before = len(desk.resources.publisher.published)
    await desk.call("PATCH", "/sys-1", a_servicenow_body(**{**shown, "id": "sys-1"}))
    assert len(desk.resources.publisher.published) == before
    later = await desk.call("PATCH", "/sys-1", a_servicenow_body(validFor={"endDateTime": "2026-07-02 10:00:00"}))
    assert later.body["validFor"]["endDateTime"] == "2026-07-02 10:00:00"


async def test_a_patch_from_1_to_true_is_a_change(desk: ServiceNowServer) -> None:
    await desk.call("POST", "", a_servicenow_body(id="sys-1", characteristic=[{"name": "auto", "value": 1}]))
    await desk.call("PATCH", "/sys-1", a_servicenow_body(characteristic=[{"name": "auto", "value": True}]))
    shown = (await desk.call("GET", "/sys-1")).body["characteristic"]
    assert [(each["name"], each["value"] is True) for each in shown] == [("auto", True)]


async def test_fault_a_patch_drops_the_relationships_of_a_characteristic_unread(desk: ServiceNowServer) -> None:
    def related(kind: str) -> dict[str, object]:
        return {"name": "auto", "value": 1, "characteristicRelationship": [{"id": "c2", "relationshipType": kind}]}

    await desk.call("POST", "", a_servicenow_body(id="sys-1", characteristic=[related("dependsOn")]))
    taken = await desk.call("PATCH", "/sys-1", a_servicenow_body(characteristic=[related("replaces")]))
    assert taken.status == 200
    refused = await desk.call("PATCH", "/sys-1", a_servicenow_body(characteristic=[related("0" * 5_000)]))
    assert (refused.status, "relationshipType" in str(refused.body)) == (400, True)


async def test_what_is_not_kept_is_named_here_too(desk: ServiceNowServer) -> None:
    result = {"value": "3000", "accuracy": "", "ruleViolation": [{"id": "v"}]}
    body = {"id": "sys-1", "colour": "red", "state": "completed", "endDateTime": "", "@type": "ServiceTest"}
    measures = [MEASURE | result, {"id": "TM2", "metricName": "Loss"}]
    ordered = await desk.call("POST", "", a_servicenow_body(**body, testMeasure=measures))
    lost = ["/colour", "/state", "/testMeasure/0/ruleViolation", "/testMeasure/0/value"]
    assert (ordered.status, ordered.headers[NOT_KEPT_HEADER].split(", ")) == (200, lost)
    shown = (await desk.call("GET", "/sys-1")).body
    same = await desk.call("PATCH", "/sys-1", {**shown, "testMeasure": shown["testMeasure"][1:]})
    assert (same.status, same.headers.get(NOT_KEPT_HEADER)) == (200, None)
    other = await desk.call("PATCH", "/sys-1", a_servicenow_body(testMeasure=[{"id": "TM2", "value": "1"}], shape="x"))
    assert (other.status, other.headers[NOT_KEPT_HEADER]) == (200, "/shape, /testMeasure/0/value")
    request = a_servicenow_body(id="sys-2", colour="red", testMeasure=[MEASURE | {"value": "1"}])
    answer = await desk.request(request, headers={"Prefer": "respond-async"})
    assert answer.headers[NOT_KEPT_HEADER] == "/request_body/colour, /request_body/testMeasure/0/value"


async def test_a_list_has_pages_and_one_filter(desk: ServiceNowServer) -> None:
    for number in range(23):
        await desk.call("POST", "", a_servicenow_body(id=f"sys-{number}"))
    await desk.call("PATCH", "/sys-3", a_servicenow_body(state="canceled"))
    first = await desk.call("GET", "?relatedService.id=ignored")
    assert (first.status, len(first.body), first.headers["Content-Range"]) == (206, 20, "items 1-20")
    assert (first.headers["X-Total-Count"], 'rel="next"' in first.headers["Link"]) == ("23", True)
    rest = await desk.call("GET", "?offset=20&limit=100&fields=name")
    assert (rest.status, rest.headers["Content-Range"], set(rest.body[0])) == (206, "items 21-23", {"id", "name"})
    cancelled = await desk.call("GET", "?state=canceled")
    assert (cancelled.status, [run["id"] for run in cancelled.body]) == (200, ["sys-3"])


@pytest.mark.parametrize("offset", [0, 2, 4, 9])
async def test_a_page_is_counted_from_1_as_the_simulated_instance_does(desk: ServiceNowServer, offset: int) -> None:
    async with ServiceNowInstance() as instance, ClientSession() as http:
        for number in range(5):
            await desk.call("POST", "", a_servicenow_body(id=f"sys-{number}"))
            async with http.post(f"{instance.base_url}/serviceTest", json=a_servicenow_body()) as created:
                assert created.status == 200
        query = f"?limit=3&offset={offset}"
        ours = await desk.call("GET", query)
        async with http.get(f"{instance.base_url}/serviceTest{query}") as theirs:
            documented = "items 3-5" if offset == 2 else ours.headers["Content-Range"]
            assert ours.headers["Content-Range"] == theirs.headers["Content-Range"] == documented


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "", {"name": "no service"}, 400),
        ("PATCH", "/sys-1", {"state": "canceled"}, 400),
        ("PATCH", "/sys-1", a_servicenow_body(state="completed"), 400),
        ("PATCH", "/sys-1", a_servicenow_body(name="other", state="canceled"), 400),
        ("POST", "", a_servicenow_body(id="sys-1", name="another"), 400),
        ("GET", "?state=draft", None, 400),
        ("GET", "?limit=0", None, 400),
        ("GET", "/unknown", None, 404),
        ("PATCH", "/unknown", a_servicenow_body(), 404),
    ],
)
async def test_what_is_refused_has_the_statuses_of_servicenow(
    desk: ServiceNowServer, method: str, path: str, body: object, status: int
) -> None:
    await desk.call("POST", "", a_servicenow_body(id="sys-1"))
    answer = await desk.call(method, path, body)
    assert (answer.status, answer.body["status"]) == (status, str(status))


async def test_a_repeated_post_is_one_run(desk: ServiceNowServer) -> None:
    for _ in range(2):
        assert (await desk.call("POST", "", a_servicenow_body(id="sys-1"))).status == 200
    assert (await desk.call("GET")).headers["X-Total-Count"] == "1"


async def test_what_is_sent_back_as_it_was_read_publishes_nothing(desk: ServiceNowServer) -> None:
    await desk.call("POST", "", a_servicenow_body(id="sys-1", testMeasure=[MEASURE], mode="proactive"))
    read = (await desk.call("GET", "/sys-1")).body
    assert (await desk.call("PATCH", "/sys-1", read)).status == 200
    assert len(desk.resources.publisher.published) == 1


async def test_a_client_sees_no_runs_of_other_tenants_and_needs_its_scopes(desk: ServiceNowServer) -> None:
    everything = frozenset(Scope)
    desk.api.principal = Principal(name="desk", tenant="one", scopes=everything)
    await desk.call("POST", "", a_servicenow_body(id="sys-1"))
    desk.api.principal = Principal(name="desk", tenant="two", scopes=everything)
    assert (await desk.call("GET", "/sys-1")).status == 404
    assert (await desk.call("GET")).body == []
    desk.api.principal = Principal(name="desk", tenant="one", scopes=frozenset({Scope.READ}))
    assert (await desk.call("GET", "/sys-1")).status == 200
    assert (await desk.call("PATCH", "/sys-1", a_servicenow_body(state="canceled"))).status == 403


async def test_a_specification_is_added_read_and_changed(desk: ServiceNowServer) -> None:
    valid = {"startDateTime": "2026-07-01 10:00:00", "endDateTime": ""}
    body = {
        "id": "TD0001",
        "name": "Line test",
        "lifecycleStatus": "Draft",
        "relatedServiceSpecification": [{"id": "broadband"}],
        "validFor": valid,
        "testMeasureDefinition": [{"id": "TM1", "name": "speed", "thresholdRule": [RULE]}],
    }
    added = await desk.specification("POST", "", body)
    assert (added.status, added.body["id"]) == (200, "TD0001")
    assert added.body["validFor"] == {"startDateTime": "2026-07-01 10:00:00"}
    assert "href" not in added.body
    changed = await desk.specification("PATCH", "/TD0001", {**added.body, "lifecycleStatus": "Published"})
    assert (changed.status, changed.body["lifecycleStatus"]) == (200, "Published")
    read = await desk.specification("GET", "/TD0001?fields=lifecycleStatus,unknown")
    assert read.body == {"id": "TD0001", "lifecycleStatus": "Published"}
    stored = await desk.resources.catalogue.find("TD0001")
    assert stored is not None
    assert stored.document == {
        **body,
        "lifecycleStatus": "Published",
        "validFor": {"startDateTime": "2026-07-01T08:00:00Z"},
    }
    again = await desk.specification("PATCH", "/TD0001", changed.body)
    assert again.body == changed.body  # what is sent back as it was shown is not written again


async def test_a_list_of_specifications_has_pages_and_no_filter(desk: ServiceNowServer) -> None:
    for number in range(22):
        body = {"id": f"TD{number:02}", "name": "Line test", "relatedServiceSpecification": [{"id": "broadband"}]}
        assert (await desk.specification("POST", "", body)).status == 200
    first = await desk.specification("GET", "?name=ignored&fields=name")
    assert (first.status, len(first.body), first.headers["Content-Range"]) == (206, 20, "items 1-20")
    assert first.headers["X-Total-Count"] == "22"
    rest = await desk.specification("GET", "?offset=20&limit=1000")
    assert [one["id"] for one in rest.body] == ["TD20", "TD21"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "", {"name": "without service"}, 400),
        ("POST", "", [], 400),
        ("POST", "", {"id": "TD1", "name": "twice", "relatedServiceSpecification": [{"id": "x"}]}, 400),
        ("PATCH", "/TD1", [], 400),
        ("PATCH", "/TD1", {"relatedServiceSpecification": None}, 400),
        ("PATCH", "/unknown", {"name": "x"}, 404),
        ("GET", "/unknown", None, 404),
        ("GET", "?limit=0", None, 400),
        ("DELETE", "/TD1", None, 405),
    ],
)
async def test_what_is_wrong_with_a_specification_has_the_status_of_servicenow(
    desk: ServiceNowServer, method: str, path: str, body: object, status: int
) -> None:
    known = {"id": "TD1", "name": "Line test", "relatedServiceSpecification": [{"id": "broadband"}]}
    await desk.specification("POST", "", known)
    assert (await desk.specification(method, path, body)).status == status


async def test_who_may_only_read_or_is_of_one_tenant_changes_no_specification(desk: ServiceNowServer) -> None:
    body = {"id": "TD1", "name": "Line test", "relatedServiceSpecification": [{"id": "broadband"}]}
    everything = frozenset(Scope)
    for principal in (
        Principal(name="reader", scopes=frozenset({Scope.READ})),
        Principal(name="north", tenant="north", scopes=everything),
    ):
        desk.api.principal = principal
        assert (await desk.specification("POST", "", body)).status == 403
        assert (await desk.specification("GET")).body == []


@pytest.mark.parametrize(
    ("more", "place"),
    [
        (
            {"characteristic": [{"name": "0", "characteristicRelationship": [{"relationshipType": "a\0b"}]}]},
            "/characteristic/0/characteristicRelationship/0/relationshipType",
        ),
        ({"testMeasure": [MEASURE | {"value": "\0"}]}, "/testMeasure/0/value"),
        ({"note": [{"by": ["\0"]}]}, "/note/0/by/0"),
        ({"note": {"a\0b": 1}}, "/note"),
    ],
)
async def test_a_nul_is_refused_in_an_attribute_that_is_not_kept_too(
    desk: ServiceNowServer, more: dict[str, Any], place: str
) -> None:
    assert (await desk.call("POST", "", a_servicenow_body(id="sys-1"))).status == 200
    for method, path, own_id in [("PATCH", "/sys-1", {}), ("POST", "", {"id": "sys-2"})]:
        refused = await desk.call(method, path, a_servicenow_body(**own_id, **more))
        assert (refused.status, refused.body["propertyPath"]) == (400, place)
        assert "NUL character (U+0000)" in refused.body["reason"]


async def test_a_text_that_names_a_nul_without_one_is_taken(desk: ServiceNowServer) -> None:
    taken = await desk.call("POST", "", a_servicenow_body(id="sys-1", description=r"C:\u0000", note="0"))
    assert (taken.status, taken.body["description"]) == (200, r"C:\u0000")
