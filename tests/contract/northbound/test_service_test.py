"""The resource `serviceTest` over HTTP: the rules of the TM Forum's conformance kit, and of the orders behind it."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import ref

import pytest

from consumers.northbound.api import cancel_service_test, pages
from router.northbound.api_version import ApiVersion
from router.northbound.not_kept import NOT_KEPT_HEADER
from router.northbound.principal import Principal, Scope
from router.northbound.resource import to_resource
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.results import Reason, ReportedMeasure, RuleViolation
from schemas.topics import TopicNames
from schemas.vocabulary import MeasureIdOrigin, Phase, Result, RunState
from tests.builders.runs import TREE, a_run
from tests.fixtures.northbound_server import BODY_LIMIT, V4, V5, NorthboundServer, a_northbound_server, an_order_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from router.northbound.order import RunView

LIFECYCLE = TopicNames().lifecycle
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
EVERYTHING = frozenset(Scope)
LOSS = {"metricName": "loss", "metricHref": "urn:loss"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[NorthboundServer]:
    """The interface without runs."""
    async with a_northbound_server(tmp_path) as server:
        yield server


async def routed(api: NorthboundServer, run_id: str, **more: Any) -> None:  # noqa: ANN401 - any field of a row
    """Store the row that routing makes of an ordered run."""
    view = await api.store.orders.view(run_id)
    assert view is not None
    document = view.document.model_copy(update={"children": ()})
    await api.store.save(a_run(document=document, tenant=document.tenant, **more))


# The conformance kit (CTK)


async def test_a_run_that_is_ordered_is_answered_with_201_and_what_was_sent(api: NorthboundServer) -> None:
    answer = await api.call("POST", "", an_order_body())
    assert answer.status == 201
    assert {name: answer.body[name] for name in an_order_body()} == an_order_body()
    assert isinstance(answer.body["id"], str)
    assert answer.body["href"] == answer.headers["Location"]
    assert answer.body["href"].endswith(f"{V4}/serviceTest/{answer.body['id']}")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"name": "n", "relatedService": {"id": "PI1"}}, "/testSpecification"),
        (an_order_body(relatedService={"name": "no id"}), "/relatedService/id"),
        (an_order_body(testSpecification={"name": "no id"}), "/testSpecification/id"),
        (an_order_body(name=None), "/name"),
        (an_order_body(name=""), "/name"),
        (an_order_body(name=7), "/name"),
        (an_order_body(characteristic=[{"name": "a"}]), "/characteristic/0/value"),
        (an_order_body(characteristic=[{"value": "a"}]), "/characteristic/0/name"),
        (an_order_body(characteristic={"name": "a", "value": 1}), "/characteristic"),
        (an_order_body(testMeasure=[{"metricName": "loss"}]), "/testMeasure/0/metricHref"),
        (an_order_body(testMeasure=[{"metricHref": "urn:loss"}]), "/testMeasure/0/metricName"),
        (an_order_body(relatedParty=[{"id": "P1"}]), "/relatedParty/0/@referredType"),
        (an_order_body(startDateTime="tomorrow"), "/startDateTime"),
        (an_order_body(startDateTime="2026-02-01T00:00:00Z", endDateTime="2026-01-01T00:00:00Z"), "/endDateTime"),
        (
            an_order_body(startDateTime="2026-02-01T00:00:00+02:00", endDateTime="2026-01-31T21:59:59Z"),
            "/endDateTime",
        ),
        (
            an_order_body(
                childServiceTest=[
                    an_order_body(startDateTime="2026-02-01T00:00:00Z", endDateTime="2026-01-01T00:00:00Z")
                ]
            ),
            "/childServiceTest/0/endDateTime",
        ),
        (an_order_body(validFor="always"), "/validFor"),
        (an_order_body(validFor={"startDateTime": "tomorrow"}), "/validFor/startDateTime"),
        (
            an_order_body(validFor={"startDateTime": "2026-02-01T00:00:00Z", "endDateTime": "2026-01-01T00:00:00Z"}),
            "/validFor/endDateTime",
        ),
        (an_order_body(characteristic=[{"name": "a", "value": 1, "id": 7}]), "/characteristic/0/id"),
        (
            an_order_body(characteristic=[{"name": "a", "value": 1, "characteristicRelationship": ["b"]}]),
            "/characteristic/0/characteristicRelationship/0",
        ),
        (an_order_body(testMeasure=[LOSS | {"metricDescription": ["x"]}]), "/testMeasure/0/metricDescription"),
        (an_order_body(testMeasure=[LOSS | {"value": "3000"}]), "/testMeasure/0/value"),
        (an_order_body(testMeasure=[LOSS | {"accuracy": True}]), "/testMeasure/0/accuracy"),
        (an_order_body(testMeasure=[LOSS | {"captureDateTime": "now"}]), "/testMeasure/0/captureDateTime"),
        (an_order_body(mode="SOMETIMES"), "/mode"),
        ([], ""),
    ],
)
async def test_a_body_that_breaks_a_rule_is_refused_with_the_place(
    api: NorthboundServer, body: object, place: str
) -> None:
    answer = await api.call("POST", "", body)
    assert answer.status == 400
    assert answer.body["status"] == "400"
    assert answer.body.get("propertyPath", "") == place
    assert isinstance(answer.body["code"], str)
    assert isinstance(answer.body["reason"], str)
    assert api.events == []


@pytest.mark.parametrize(
    ("violation", "place"),
    [
        ({"conformanceTargetExact": "1"}, "/name"),
        ({"name": "too slow"}, ""),
        ({"name": "too slow", "conformanceTargetLower": "1"}, "/conformanceComparatorLower"),
        ({"name": "too slow", "conformanceTargetUpper": "1"}, "/conformanceComparatorUpper"),
    ],
)
async def test_a_rule_violation_names_itself_and_a_target_with_its_comparator(
    api: NorthboundServer, violation: dict[str, str], place: str
) -> None:
    measure = {"metricName": "loss", "metricHref": "urn:loss", "ruleViolation": [violation]}
    answer = await api.call("POST", "", an_order_body(testMeasure=[measure]))
    assert (answer.status, answer.body["propertyPath"]) == (400, f"/testMeasure/0/ruleViolation/0{place}")
    exact = {"name": "too slow", "conformanceTargetExact": "1"}
    assert (await api.call("POST", "", an_order_body(testMeasure=[measure | {"ruleViolation": [exact]}]))).status == 201


async def test_an_unknown_run_is_404_for_every_method(api: NorthboundServer) -> None:
    answers = [
        await api.call(method, "unknown", body) for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None))
    ]
    assert [answer.status for answer in answers] == [404, 404, 404]
    assert all(answer.body["code"] == "referenceNotFound" for answer in answers)


async def test_runs_are_filtered_by_name_and_by_service_and_by_both(api: NorthboundServer) -> None:
    one = await api.order(name="one")
    two = await api.order(name="two")
    other = await api.order(name="two", relatedService={"id": "PI9"})
    found = {}
    for query in (
        "name=two",
        "relatedService.id=PI0001",
        "name=two&relatedService.id=PI0001",
        "name=one,two",
        "name=no",
    ):
        answer = await api.call("GET", f"{V4}/serviceTest?{query}")
        assert answer.status == 200
        found[query] = [run["id"] for run in answer.body]
    assert found == {
        "name=two": [other["id"], two["id"]],
        "relatedService.id=PI0001": [two["id"], one["id"]],
        "name=two&relatedService.id=PI0001": [two["id"]],
        "name=one,two": [other["id"], two["id"], one["id"]],
        "name=no": [],
    }


@pytest.mark.parametrize("path", ["", "{id}"])
async def test_fields_select_first_level_attributes(api: NorthboundServer, path: str) -> None:
    run = await api.order()
    target = f"{V4}/serviceTest" + ("" if not path else f"/{run['id']}")
    shown = []
    for fields in ("name", "relatedService,testSpecification", "unknown"):
        answer = await api.call("GET", f"{target}?fields={fields}")
        shown.append(answer.body if path else answer.body[0])
    always = {"id", "href", "@type"}
    assert [each.keys() for each in shown] == [
        always | {"name"},
        always | {"relatedService", "testSpecification"},
        always,
    ]


# Lists


async def test_a_list_is_paged_with_its_headers(api: NorthboundServer) -> None:
    for number in range(7):
        await api.order(name=f"run {number}")
    first = await api.call("GET", "")
    assert (first.status, [run["name"] for run in first.body]) == (206, ["run 6", "run 5", "run 4"])
    assert (first.headers["X-Total-Count"], first.headers["X-Result-Count"]) == ("7", "3")
    assert first.headers["Content-Range"] == "items 0-2/7"
    names, address, links = [], f"{V4}/serviceTest", dict[str, str]()
    while address:
        answer = await api.call("GET", address)
        names += [run["name"] for run in answer.body]
        links = {rel.strip('"'): url for url, rel in _links(answer.headers["Link"])}
        address = links.get("next", "").removeprefix(api.address)
    assert names == [f"run {number}" for number in range(6, -1, -1)]
    assert links.keys() == {"self", "first", "prev", "last"}
    most = await api.call("GET", f"{V4}/serviceTest?limit=1000")
    assert len(most.body) == 5  # the largest page
    empty = await api.call("GET", f"{V4}/serviceTest?offset=50")
    assert (empty.status, empty.body, empty.headers["Content-Range"]) == (206, [], "items */7")


def _links(header: str) -> list[tuple[str, str]]:
    return [
        (url.strip().strip("<>"), rel.partition("=")[2])
        for url, _, rel in (one.partition(";") for one in header.split(", "))
    ]


async def test_an_empty_list_is_200(api: NorthboundServer) -> None:
    answer = await api.call("GET", "")
    assert (answer.status, answer.body, answer.headers["X-Total-Count"]) == (200, [], "0")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("characteristic.name=port", ["b", "a"]),
        ("characteristic.value=7", ["b"]),
        ("characteristic.value.gt=3", ["b"]),
        ("startDateTime=2026-11-23", ["a"]),
        ("startDateTime.gte=2026-11-23T10:00:00Z", ["b", "a"]),
        ("startDateTime.gt=2026-11-23&startDateTime.lt=2026-11-25", ["b"]),
        ("startDateTime.lte=2026-11-23T09:59:59Z", []),
        ("mode=PROACTIVE", ["b"]),
        ("state=acknowledged", ["c", "b", "a"]),
        ("state=Canceled", []),
    ],
)
async def test_any_attribute_is_a_filter(api: NorthboundServer, query: str, names: list[str]) -> None:
    port = {"name": "port"}
    await api.order(name="a", characteristic=[port | {"value": 3}], startDateTime="2026-11-23T10:00:00Z")
    await api.order(
        name="b", characteristic=[port | {"value": 7}], startDateTime="2026-11-24T11:00:00+01:00", mode="proactive"
    )
    await api.order(name="c")
    answer = await api.call("GET", f"{V4}/serviceTest?{query}")
    assert [run["name"] for run in answer.body] == names
    assert answer.headers["X-Total-Count"] == str(len(names))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("sort=name", ["a", "b", "c", "d"]),
        ("sort=-name", ["d", "c", "b", "a"]),
        ("sort=relatedService.id,-name", ["d", "b", "c", "a"]),
        ("sort=-relatedService.id&sort=name", ["a", "c", "b", "d"]),
        ("sort=southbound.createdAt", ["a", "c", "b", "d"]),
        ("sort=-southbound.updatedAt", ["d", "b", "c", "a"]),
        ("sort=name&mode=ONDEMAND", ["a", "b", "c", "d"]),  # the database does not decide by the mode
        ("sort=-relatedService.id,-name&mode=ONDEMAND", ["c", "a", "d", "b"]),
        ("sort=-name&name.regex=%5E%5Bbd%5D$", ["d", "b"]),
        ("name.regex=b%7Cc", ["b", "c"]),
        ("characteristic.value.regex=por.+7", ["a"]),
    ],
)
async def test_a_list_is_sorted_and_searched_as_asked(api: NorthboundServer, query: str, names: list[str]) -> None:
    port = [{"name": "port", "value": "port 7"}]
    await api.order(name="a", relatedService={"id": "PI2"}, characteristic=port)
    await api.order(name="c", relatedService={"id": "PI2"})
    await api.order(name="b", relatedService={"id": "PI1"})
    await api.order(name="d", relatedService={"id": "PI1"})
    answer = await api.call("GET", f"{V4}/serviceTest?{query}&limit=9")
    assert [run["name"] for run in answer.body] == names
    pages = [
        (await api.call("GET", f"{V4}/serviceTest?{query}&limit=1&offset={offset}")).body
        for offset in range(len(names))
    ]
    assert [run["name"] for page in pages for run in page] == names


async def test_expressions_that_take_too_long_are_refused(api: NorthboundServer) -> None:
    for number in range(8):
        await api.order(name=f"{number}" + "a" * 15_000)
    query = "&".join(["name.regex=%5E(a%7C.)*$"] * 20)
    answer = await api.call("GET", f"{V4}/serviceTest?{query}")
    assert answer.status == 400
    assert "take too many steps" in str(answer.body)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("nmae=x", 400),
        ("offset=-1", 400),
        ("limit=0", 400),
        ("limit=x", 400),
        ("filter=$..x", 501),
        ("name.regex=(", 400),
        ("name.regex=(a)%5C1", 400),
        ("sort=characteristic", 400),
        ("sort=", 400),
    ],
)
async def test_a_query_that_cannot_be_read_is_refused(api: NorthboundServer, query: str, status: int) -> None:
    answer = await api.call("GET", f"{V4}/serviceTest?{query}")
    assert (answer.status, answer.body["status"]) == (status, str(status))


# What is shown of a run


async def test_a_run_shows_what_the_store_knows_of_it(api: NorthboundServer) -> None:
    measure = {"id": "TM1", "metricName": "loss", "metricHref": "urn:loss", "unitOfMeasure": "dB"}
    run = await api.order(testMeasure=[measure], characteristic=[{"name": "port", "value": {"slot": [1, 2]}}])
    reported = ReportedMeasure(
        id="TM1",
        id_origin=MeasureIdOrigin.REPORTED,
        metric_name="loss of light",
        value=3.5,
        rule_violation=(RuleViolation(id="V1", name="too much", conformance_target_upper="3"),),
    )
    await routed(
        api,
        run["id"],
        phase=Phase.FULFILLED,
        state=RunState.COMPLETED,
        result=Result.FAIL,
        measures=(reported,),
        reasons=(Reason(code="LATE", message="It was late."),),
    )
    shown = (await api.call("GET", run["id"])).body
    assert (shown["state"], shown["characteristic"][0]) == ("completed", {"name": "port", "value": {"slot": [1, 2]}})
    [seen] = shown["testMeasure"]
    assert measure.items() <= seen.items()
    assert seen["value"] == {"name": "loss of light", "value": 3.5}
    assert seen["ruleViolation"] == [{"id": "V1", "name": "too much", "conformanceTargetUpper": "3"}]
    ours = {each["name"]: each["value"] for each in shown["characteristic"][1:]}
    assert all(name.startswith("southbound.") for name in ours)
    assert (ours["southbound.result"], ours["southbound.spoke"]) == ("fail", "fibre-lab")
    assert ours["southbound.reasons"] == [{"code": "LATE", "message": "It was late."}]
    assert ours["southbound.selectorDecision"] == "spoke-selector@1#S10"


async def test_a_run_that_came_over_kafka_is_shown_changed_and_cancelled(api: NorthboundServer) -> None:
    await api.store.save(a_run("TR 1/ü", phase=Phase.ACCEPTED))
    [shown] = (await api.call("GET", "")).body
    path = shown["href"].removeprefix(api.address)
    assert (await api.call("GET", path)).body["id"] == "TR 1/ü"
    assert (await api.call("PATCH", path, {"description": "new"})).body["description"] == "new"
    assert (await api.call("PATCH", path, {"state": "cancelled"})).status == 200
    changed, cancelled = (event.data for event in api.events)
    assert isinstance(changed, RunChanged)
    assert (changed.run.version, changed.run.description) == (2, "new")
    assert isinstance(cancelled, RunCancelled)
    assert cancelled.run_id == "TR 1/ü"


async def test_version_5_shows_and_changes_the_same_runs(api: NorthboundServer) -> None:
    party = {"role": "owner", "partyOrPartyRole": {"id": "P1", "@referredType": "Individual"}}
    body = an_order_body(
        externalIdentifier=[{"id": "SN-1"}], relatedParty=[party], testMeasure=[{"testMeasureDefinitionId": "D1"}]
    )
    five = (await api.call("POST", f"{V5}/serviceTest", body)).body
    assert five["@type"] == "ServiceTest"
    assert five["externalIdentifier"][0]["id"] == "SN-1"
    assert five["relatedParty"][0]["partyOrPartyRole"]["id"] == "P1"
    assert five["testMeasure"][0]["testMeasureDefinitionId"] == "D1"
    four = (await api.call("GET", five["id"])).body
    assert four["relatedParty"] == [{"id": "P1", "role": "owner", "@referredType": "Individual"}]
    assert four["href"].endswith(f"{V4}/serviceTest/{five['id']}")
    await api.call("PATCH", f"{V5}/serviceTest/{five['id']}", {"name": "from 5"})
    assert (await api.call("GET", five["id"])).body["name"] == "from 5"


# Orders


async def test_an_order_is_published_before_it_is_answered(api: NorthboundServer) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    answer = await api.call("POST", "", an_order_body(), headers={"traceparent": trace})
    [event] = api.events
    assert isinstance(event.data, RunRequested)
    assert (event.data.run.run_id, event.headers.subject) == (answer.body["id"], answer.body["id"])
    assert event.headers.traceparent == trace
    assert await api.store.orders.unpublished(api.book.now(), 10) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"headers": {"Idempotency-Key": '"key"'}}, {"headers": {"Idempotency-Key": "key"}}),
        ({"id": "SN-1"}, {"id": "SN-1"}),
    ],
    ids=["key", "own id"],
)
async def test_a_repeated_order_is_one_run_and_another_body_is_refused(
    api: NorthboundServer, first: dict[str, Any], second: dict[str, Any]
) -> None:
    def sent(with_what: dict[str, Any], **more: Any) -> Any:  # noqa: ANN401
        more |= {"id": with_what["id"]} if "id" in with_what else {}
        return api.call("POST", "", an_order_body(**more), headers=with_what.get("headers", {}))

    answers = await asyncio.gather(sent(first), sent(second), sent(first))
    assert {(answer.status, answer.body["id"]) for answer in answers} == {(201, answers[0].body["id"])}
    assert sorted(answer.headers.get("Idempotency-Replayed", "") for answer in answers) == ["", "true", "true"]
    other = await sent(second, name="another")
    assert other.status == (422 if "headers" in first else 409)
    assert (await api.call("GET", "")).headers["X-Total-Count"] == "1"
    assert {event.id for event in api.events} == {api.events[0].id}


async def test_a_run_is_found_by_the_own_id_of_its_client_and_by_nobody_elses(api: NorthboundServer) -> None:
    run = await api.order(id="SN-1")
    assert (await api.call("GET", "SN-1")).body["id"] == run["id"]
    api.principal = Principal(name="other", scopes=EVERYTHING)
    assert (await api.call("GET", "SN-1")).status == 404
    assert (await api.order(id="SN-1"))["id"] != run["id"]


async def test_an_order_that_kafka_does_not_acknowledge_is_202_and_published_later(api: NorthboundServer) -> None:
    api.publisher.fail_topic(LIFECYCLE)
    answer = await api.call("POST", "", an_order_body())
    assert answer.status == 202
    assert (await api.call("GET", answer.body["id"])).status == 200
    refused = await api.call("PATCH", answer.body["id"], {"name": "overtakes"})
    assert (refused.status, refused.headers["Retry-After"]) == (503, "2")
    api.publisher.restore_topic(LIFECYCLE)
    assert (await api.call("PATCH", answer.body["id"], {"name": "later"})).status == 200
    assert [type(event.data) for event in api.events] == [RunRequested, RunChanged]


async def test_an_order_that_kafka_never_takes_is_413_and_gone(api: NorthboundServer) -> None:
    api.publisher.max_bytes[LIFECYCLE] = 10
    answer = await api.call("POST", "", an_order_body(id="SN-1"))
    assert answer.status == 413
    assert (await api.call("GET", "SN-1")).status == 404


# Changes


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        (MERGE, {"description": "new", "mode": None}),
        ("application/json", {"description": "new"}),
        (JSON_PATCH, [{"op": "add", "path": "/description", "value": "new"}]),
    ],
)
async def test_a_patch_is_published_as_a_change(api: NorthboundServer, kind: str, patch: object) -> None:
    run = await api.order(characteristic=[{"name": "port", "value": 1}])
    answer = await api.call("PATCH", run["id"], patch, headers={"Content-Type": kind})
    assert (answer.status, answer.body["description"]) == (200, "new")
    assert (await api.call("GET", run["id"])).body == answer.body
    changed = api.events[1].data
    assert isinstance(changed, RunChanged)
    assert (changed.run.version, changed.run.description, len(changed.run.characteristic)) == (2, "new", 1)


async def test_a_patch_that_changes_nothing_publishes_nothing(api: NorthboundServer) -> None:
    run = await api.order()
    assert (await api.call("PATCH", run["id"], an_order_body() | {"state": "acknowledged"})).status == 200
    assert len(api.events) == 1


async def test_what_a_run_shows_can_be_sent_back_as_a_patch(api: NorthboundServer) -> None:
    run = await api.order(characteristic=[{"name": "port", "value": 1}])
    shown = {name: value for name, value in run.items() if name not in {"id", "href"}}
    shown["characteristic"] = [{"name": "port", "value": 2}, *shown["characteristic"][1:]]
    answer = await api.call("PATCH", run["id"], shown)
    assert answer.status == 200
    changed = api.events[1].data
    assert isinstance(changed, RunChanged)
    assert [(each.name, each.value) for each in changed.run.characteristic] == [("port", 2)]


@pytest.mark.parametrize(
    ("patch", "status", "place"),
    [
        ({"id": "other"}, 400, "/id"),
        ({"href": "other"}, 400, "/href"),
        ({"@type": "Other"}, 400, "/@type"),
        ({"relatedService": None}, 400, "/relatedService"),
        ({"characteristic": [{"name": "a"}]}, 400, "/characteristic/0/value"),
        ({"state": "completed"}, 409, "/state"),
        ({"state": "melted"}, 400, "/state"),
        ({"state": "cancelled", "name": "new"}, 409, "/state"),
        ([], 400, ""),
    ],
)
async def test_a_patch_that_breaks_a_rule_is_refused(
    api: NorthboundServer, patch: object, status: int, place: str
) -> None:
    run = await api.order()
    answer = await api.call("PATCH", run["id"], patch)
    assert (answer.status, answer.body.get("propertyPath", "")) == (status, place)
    assert len(api.events) == 1


@pytest.mark.parametrize(("version", "status"), [(ApiVersion.V4_1, 200), (ApiVersion.V4_2, 400)])
async def test_types_can_be_repeated_in_a_patch_of_4_1_and_not_of_4_2(
    tmp_path: Path, version: ApiVersion, status: int
) -> None:
    async with a_northbound_server(tmp_path, version) as api:
        run = await api.order()
        assert (await api.call("PATCH", run["id"], {"@type": run["@type"]})).status == status


async def test_version_5_takes_a_json_patch_with_queries(api: NorthboundServer) -> None:
    measures = [{"id": f"TM{n}", "metricName": f"m{n}", "metricHref": f"urn:{n}"} for n in (1, 2)]
    run = await api.order(testMeasure=measures)
    headers = {"Content-Type": "application/json-patch-query+json"}
    patch = [{"op": "replace", "path": "/testMeasure/metricName?testMeasure.id=TM2", "value": "loss"}]
    answer = await api.call("PATCH", f"{V5}/serviceTest/{run['id']}", patch, headers=headers)
    assert (answer.status, [each["metricName"] for each in answer.body["testMeasure"]]) == (200, ["m1", "loss"])
    for path in ("/id?testMeasure.id=TM2", "/href"):
        refused = [{"op": "replace", "path": path, "value": "x"}]
        assert (await api.call("PATCH", f"{V5}/serviceTest/{run['id']}", refused, headers=headers)).status == 400


async def test_a_patch_of_another_media_type_is_415(api: NorthboundServer) -> None:
    run = await api.order()
    answer = await api.call("PATCH", run["id"], {}, headers={"Content-Type": "application/json-patch-query+json"})
    assert (answer.status, MERGE in answer.headers["Accept-Patch"]) == (415, True)


async def test_a_condition_of_the_client_is_kept(api: NorthboundServer) -> None:
    run = await api.order()
    tag = (await api.call("GET", run["id"])).headers["ETag"]
    assert (await api.call("GET", run["id"], headers={"If-None-Match": tag})).status == 304
    changed = await api.call("PATCH", run["id"], {"name": "new"}, headers={"If-Match": tag})
    assert (changed.status, changed.headers["ETag"] == tag) == (200, False)
    for method in ("PATCH", "DELETE"):
        assert (await api.call(method, run["id"], {"name": "x"}, headers={"If-Match": tag})).status == 412
    assert (await api.call("GET", run["id"], headers={"If-None-Match": tag})).status == 200
    assert (await api.call("DELETE", run["id"], headers={"If-Match": changed.headers["ETag"]})).status == 204


async def test_changes_at_the_same_time_are_all_kept(api: NorthboundServer) -> None:
    run = await api.order()
    patches = [{"description": "d"}, {"name": "n"}, {"mode": "PROACTIVE"}]
    assert {answer.status for answer in await asyncio.gather(*(api.call("PATCH", run["id"], p) for p in patches))} == {
        200
    }
    shown = (await api.call("GET", run["id"])).body
    assert (shown["description"], shown["name"], shown["mode"]) == ("d", "n", "PROACTIVE")
    # A change that is not acknowledged yet is published again before the next one, with the same id.
    versions = {event.id: event.data.run.version for event in api.events if isinstance(event.data, RunChanged)}
    assert sorted(versions.values()) == [2, 3, 4]


async def test_a_change_that_routing_refused_is_shown_no_longer(api: NorthboundServer) -> None:
    run = await api.order()
    await api.call("PATCH", run["id"], {"name": "refused"})
    refused = api.events[1].id
    view = await api.store.orders.view(run["id"])
    assert view is not None
    assert view.order is not None
    before = view.order.document.model_copy(update={"version": 1, "name": "Line test"})
    row = a_run(document=before, phase=Phase.ACCEPTED)
    await api.store.save(row)
    assert (await api.call("GET", run["id"])).body["name"] == "refused"  # it is on its way
    await api.store.save(replace(row, revision=2, processed_events=(f"{refused} led to refused 2",)))
    assert (await api.call("GET", run["id"])).body["name"] == "Line test"


# Cancellations


async def test_a_run_is_cancelled_by_its_state_once(api: NorthboundServer) -> None:
    run = await api.order()
    for state in ("Canceled", "cancelled"):
        answer = await api.call("PATCH", run["id"], {"state": state, **an_order_body()})
        assert (answer.status, answer.body["state"]) == (200, "cancelled")
    assert [type(event.data) for event in api.events] == [RunRequested, RunCancelled]
    assert (await api.call("PATCH", run["id"], {"name": "too late"})).status == 409


async def test_a_run_that_ended_is_neither_changed_nor_cancelled(api: NorthboundServer) -> None:
    run = await api.order()
    await routed(api, run["id"], phase=Phase.FULFILLED, state=RunState.COMPLETED)
    for patch in ({"name": "too late"}, {"state": "cancelled"}):
        assert (await api.call("PATCH", run["id"], patch)).status == 409
    task = {"serviceTest": {"id": run["id"]}}
    assert (await api.call("POST", f"{V5}/cancelServiceTest", task)).status == 409
    assert (await api.call("DELETE", run["id"])).status == 204
    assert len(api.events) == 1


async def test_a_deleted_run_is_cancelled_and_gone_with_its_children(api: NorthboundServer) -> None:
    run = await api.order(childServiceTest=[an_order_body()])
    assert (await api.call("DELETE", run["id"])).status == 204
    assert (await api.call("GET", run["id"])).status == 404
    assert (await api.call("DELETE", run["id"])).status == 404
    assert (await api.call("GET", "")).body == []
    assert [type(event.data) for event in api.events] == [RunRequested, RunCancelled]


async def test_a_cancellation_is_a_task_of_version_5(api: NorthboundServer) -> None:
    run = await api.order()
    body = {"serviceTest": {"id": run["id"]}, "cancellationReason": "customer called"}
    created = await api.call("POST", f"{V5}/cancelServiceTest", body)
    assert (created.status, created.body["state"], created.body["cancellationReason"]) == (
        201,
        "acknowledged",
        "customer called",
    )
    cancelled = api.events[1].data
    assert isinstance(cancelled, RunCancelled)
    assert cancelled.reason == "customer called"
    await routed(api, run["id"], phase=Phase.CANCELLED, state=RunState.CANCELLED)
    path = created.headers["Location"].removeprefix(api.address)
    assert (await api.call("GET", path)).body["state"] == "done"
    assert [task["id"] for task in (await api.call("GET", f"{V5}/cancelServiceTest")).body] == [run["id"]]
    other = await api.order()
    assert (await api.call("GET", f"{V5}/cancelServiceTest/{other['id']}")).status == 404
    missing = await api.call("POST", f"{V5}/cancelServiceTest", {"serviceTest": {}})
    assert (missing.status, missing.body["propertyPath"]) == (400, "/serviceTest/id")


async def test_a_page_of_cancellations_says_which_part_of_the_list_it_is(api: NorthboundServer) -> None:
    for run in [await api.order() for _ in range(3)]:
        await api.call("POST", f"{V5}/cancelServiceTest", {"serviceTest": {"id": run["id"]}})
    found, path = [], f"{V5}/cancelServiceTest?limit=2"
    for part in ("items 0-1/3", "items 2-2/3"):
        answer = await api.call("GET", path)
        assert (answer.status, answer.headers["Content-Range"]) == (206, part)
        assert (answer.headers["X-Total-Count"], answer.headers["X-Result-Count"]) == ("3", str(len(answer.body)))
        links = {rel.strip('"'): url for url, rel in _links(answer.headers["Link"])}
        path = links.get("next", "").removeprefix(api.address)
        found += answer.body
    assert path == ""
    assert len({task["id"] for task in found}) == 3
    whole = await api.call("GET", f"{V5}/cancelServiceTest")
    assert (whole.status, whole.headers["Content-Range"]) == (200, "items 0-2/3")


async def test_a_list_does_not_hold_the_documents_of_all_runs_that_it_finds(
    api: NorthboundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Shown(dict[str, object]):
        """A resource that can be counted."""

    made: list[ref[Shown]] = []
    most = 0

    def show(view: RunView, version: ApiVersion, base_url: str = "") -> Shown:
        nonlocal most
        resource = Shown(to_resource(view, version, base_url))
        made.append(ref(resource))
        most = max(most, sum(one() is not None for one in made))
        return resource

    monkeypatch.setattr(pages, "to_resource", show)
    monkeypatch.setattr(pages, "_BATCH", 2)
    for number in range(12):
        await api.order(name=f"run {number:02}")
    for sort, expected in (("", ["run 09", "run 08"]), ("&sort=name", ["run 02", "run 03"])):
        answer = await api.call("GET", f"{V4}/serviceTest?mode=ONDEMAND&offset=2&limit=2{sort}")
        assert [run["name"] for run in answer.body] == expected
        assert answer.headers["X-Total-Count"] == "12"
        gc.collect()
    assert most <= 6  # of a batch and of the page


async def test_cancellations_are_read_a_few_at_a_time(api: NorthboundServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancel_service_test, "BATCH", 2)
    runs = [await api.order() for _ in range(5)]
    for run in runs:
        await api.call("POST", f"{V5}/cancelServiceTest", {"serviceTest": {"id": run["id"]}})
    whole = await api.call("GET", f"{V5}/cancelServiceTest?limit=5")
    assert (whole.status, whole.headers["Content-Range"]) == (200, "items 0-4/5")
    assert [task["id"] for task in whole.body] == [run["id"] for run in reversed(runs)]


async def test_cancellations_are_found_by_the_states_of_tasks(api: NorthboundServer) -> None:
    done, begun = await api.order(), await api.order()
    for run in (done, begun):
        await api.call("POST", f"{V5}/cancelServiceTest", {"serviceTest": {"id": run["id"]}})
    await routed(api, done["id"], phase=Phase.CANCELLED, state=RunState.CANCELLED)
    for query, expected in (("done", [done]), ("acknowledged,inProgress", [begun]), ("terminatedWithError", [])):
        found = await api.call("GET", f"{V5}/cancelServiceTest?state={query}")
        assert (found.status, [task["id"] for task in found.body]) == (200, [run["id"] for run in expected])
    assert (await api.call("GET", f"{V5}/cancelServiceTest?state=completed")).status == 400


async def test_a_run_is_found_by_a_name_with_a_comma(api: NorthboundServer) -> None:
    await api.order(name="Line test, case 4711", id="a")
    for query in ("name=Line%20test%2C%20case%204711", "name=other,Line%20test,%20case%204711"):
        found = await api.call("GET", f"{V4}/serviceTest?{query}")
        assert (found.status, len(found.body)) == (200, 1 if query.startswith("name=Line") else 0)


async def test_a_list_of_cancellations_that_is_longer_than_what_is_searched_has_no_total(
    api: NorthboundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancel_service_test, "MAX_LISTED", 2)
    runs = [await api.order() for _ in range(3)]
    for run in runs:
        await api.call("POST", f"{V5}/cancelServiceTest", {"serviceTest": {"id": run["id"]}})
    page = await api.call("GET", f"{V5}/cancelServiceTest")
    assert (page.status, page.headers["Content-Range"], len(page.body)) == (206, "items 0-1/*", 2)
    assert "X-Total-Count" not in page.headers
    [oldest] = (await api.call("GET", f"{V5}/cancelServiceTest?id={runs[0]['id']}")).body
    assert oldest["id"] == runs[0]["id"]


@pytest.mark.parametrize(("old", "new"), [(1, True), (False, 0), ({"a": [1]}, {"a": [True]})])
async def test_a_patch_from_1_to_true_is_a_change(api: NorthboundServer, old: object, new: object) -> None:
    run = await api.order(characteristic=[{"name": "auto", "value": old}])
    await routed(api, run["id"])
    changed = await api.call("PATCH", run["id"], {"characteristic": [{"name": "auto", "value": new}]})
    assert (changed.status, repr(changed.body["characteristic"][0]["value"])) == (200, repr(new))
    event = api.events[-1]
    assert isinstance(event.data, RunChanged)
    assert event.data.run.model_dump(mode="json")["characteristic"][0]["value"] is not old
    published = len(api.events)
    same = await api.call("PATCH", run["id"], {"characteristic": [{"name": "auto", "value": new}]})
    assert (same.status, len(api.events)) == (200, published)


# What is kept of an order


VALID = {"startDateTime": "2026-11-23T10:00:00.000Z", "endDateTime": "2026-12-23T10:00:00.000Z"}


async def test_the_validity_of_the_results_is_kept_published_and_changed(api: NorthboundServer) -> None:
    run = await api.order(validFor=VALID)
    assert run["validFor"] == VALID
    [event] = api.events
    assert isinstance(event.data, RunRequested)
    assert event.data.run.valid_for is not None
    await routed(api, run["id"])
    changed = await api.call("PATCH", run["id"], {"validFor": {"endDateTime": None}})
    assert changed.body["validFor"] == {"startDateTime": VALID["startDateTime"]}
    assert NOT_KEPT_HEADER not in changed.headers
    removed = await api.call("PATCH", run["id"], {"validFor": None})
    assert "validFor" not in removed.body
    assert len(api.events) == 3


@pytest.mark.parametrize("path", ["", f"{V5}/serviceTest"])
async def test_what_names_and_describes_a_part_of_an_order_is_kept(api: NorthboundServer, path: str) -> None:
    relationship = [{"id": "c-2", "relationshipType": "dependency"}]
    url = {"id": "c-1", "name": "url", "value": "x", "characteristicRelationship": relationship}
    ours = {"name": "southbound.phase", "value": "x"}
    described = {"metricName": "delay", "metricHref": "urn:delay", "metricDescription": "there and back"}
    body = an_order_body(characteristic=[{"name": "a", "value": 1}, ours, url], testMeasure=[LOSS, described])
    answer = await api.call("POST", path, body)
    assert (answer.status, answer.headers.get(NOT_KEPT_HEADER)) == (201, None)
    run = answer.body

    def parts(shown: Any) -> tuple[object, ...]:  # noqa: ANN401 - JSON
        named = {each["name"]: each for each in shown["characteristic"]}
        last = {each["metricName"]: each for each in shown["testMeasure"]}["delay"]
        return named["a"].get("id"), url.items() <= named["url"].items(), last["metricDescription"]

    assert parts(run) == (None, True, "there and back")
    await routed(api, run["id"])
    changed = (await api.call("PATCH", run["id"], {"description": "again"})).body
    assert parts(changed) == (None, True, "there and back")
    other = [{**url, "id": "c-9"}]
    patched = (await api.call("PATCH", run["id"], {"characteristic": other})).body
    assert patched["characteristic"][0]["id"] == "c-9"
    assert patched["testMeasure"][1]["metricDescription"] == "there and back"


async def test_what_is_not_kept_of_an_order_is_named(api: NorthboundServer) -> None:
    result = {"value": {"name": "loss", "value": 3}, "accuracy": 0.5, "ruleViolation": []}
    body = an_order_body(
        state="completed",
        priority="höher",
        relatedService={"id": "PI0001", "serial": "7"},
        testMeasure=[LOSS | result],
        serviceTestRelationship=[{"id": "x", "relationshipType": "substitution"}],
        externalIdentifier=[{"id": "mine", "owner": "us"}, {"id": "other"}],
        childServiceTest=[an_order_body(colour="red")],
    )
    answer = await api.call("POST", "", body)
    assert answer.status == 201
    assert answer.headers[NOT_KEPT_HEADER].split(", ") == [
        "/priority",
        "/state",
        "/relatedService/serial",
        "/testMeasure/0/accuracy",
        "/testMeasure/0/ruleViolation",
        "/testMeasure/0/value",
        "/externalIdentifier/0/owner",
        "/externalIdentifier/1",
        "/serviceTestRelationship/0",
        "/childServiceTest/0/colour",
    ]
    many = await api.call("POST", "", an_order_body(**{f"x{number:02}\n,ü": 1 for number in range(30)}))
    named = many.headers[NOT_KEPT_HEADER].split(", ")
    assert (len(named), named[0], named[-1]) == (21, "/x00%0A%2C%C3%BC", "...")


async def test_what_a_patch_names_and_does_not_change_is_named_unless_it_is_as_it_was_shown(
    api: NorthboundServer,
) -> None:
    run = await api.order(id="mine", testMeasure=[LOSS])
    reported = ReportedMeasure(
        id=run["testMeasure"][0]["id"], id_origin=MeasureIdOrigin.REPORTED, metric_name="loss", value=3
    )
    await routed(api, run["id"], measures=(reported,))
    shown = (await api.call("GET", run["id"])).body
    echo = {name: value for name, value in shown.items() if name not in ("id", "href", "state")}
    same = await api.call("PATCH", run["id"], echo)
    assert (same.status, same.headers.get(NOT_KEPT_HEADER)) == (200, None)
    other = await api.call("PATCH", run["id"], {"colour": "red", "externalIdentifier": []})
    assert (other.status, other.headers[NOT_KEPT_HEADER]) == (200, "/colour, /externalIdentifier")


async def test_a_child_or_a_relationship_in_a_patch_is_not_left_out_without_a_word(api: NorthboundServer) -> None:
    run = await api.order(id="mine")
    await routed(api, run["id"])
    patch = {
        "childServiceTest": [an_order_body()],
        "serviceTestRelationship": [{"id": "x", "role": "parent", "relationshipType": "dependency"}],
        "externalIdentifier": [{"id": "other"}],
    }
    answer = await api.call("PATCH", run["id"], patch)
    assert (answer.status, answer.headers[NOT_KEPT_HEADER].split(", ")) == (200, [f"/{name}" for name in sorted(patch)])


@pytest.mark.parametrize("kind", ["json-patch", "json-patch-query"])
async def test_what_is_not_kept_of_a_json_patch_is_named(api: NorthboundServer, kind: str) -> None:
    run = await api.order(description="first", testMeasure=[LOSS, {"metricName": "delay", "metricHref": "urn:delay"}])
    reported = ReportedMeasure(
        id=run["testMeasure"][1]["id"], id_origin=MeasureIdOrigin.REPORTED, metric_name="delay", value=3
    )
    await routed(api, run["id"], measures=(reported,))
    patch = [
        {"op": "add", "path": "/colour", "value": "red"},
        {"op": "replace", "path": "/description", "value": "again"},
        {"op": "add", "path": "/testMeasure/0/value", "value": {"name": "loss", "value": 1}},
    ]
    headers = {"Content-Type": f"application/{kind}+json"}
    answer = await api.call("PATCH", f"{V5}/serviceTest/{run['id']}", patch, headers=headers)
    assert (answer.status, answer.body["description"]) == (200, "again"), answer.body
    assert answer.headers[NOT_KEPT_HEADER] == "/colour, /testMeasure/0/value"
    kept = [{"op": "replace", "path": "/description", "value": "once more"}]
    again = await api.call("PATCH", f"{V5}/serviceTest/{run['id']}", kept, headers=headers)
    assert (again.status, again.headers.get(NOT_KEPT_HEADER)) == (200, None)
    cancelled = await api.call("PATCH", run["id"], {"state": "cancelled"})
    assert (cancelled.status, cancelled.headers.get(NOT_KEPT_HEADER)) == (200, None)


# Hierarchies


async def test_nested_children_are_one_request(api: NorthboundServer) -> None:
    grandchild = an_order_body(name="grandchild", id="G")
    root = await api.order(
        childServiceTest=[an_order_body(name="a", childServiceTest=[grandchild]), an_order_body(name="b")]
    )
    [event] = api.events
    assert isinstance(event.data, RunRequested)
    document = event.data.run
    by_name = {child.name: child for child in document.children}
    assert by_name.keys() == {"a", "b", "grandchild"}
    assert by_name["grandchild"].parent_run_id == by_name["a"].run_id
    assert {child.root_run_id for child in document.children} == {root["id"]}
    related = {each["id"]: each["role"] for each in root["serviceTestRelationship"]}
    assert related == {child.run_id: "child" for child in document.children}
    shown = (await api.call("GET", "G")).body
    assert shown["serviceTestRelationship"][0] | {"href": ""} == {
        "id": by_name["a"].run_id,
        "href": "",
        "relationshipType": "dependency",
        "role": "parent",
        "@type": "ServiceTestRelationship",
        "@referredType": "ServiceTest",
    }


@pytest.mark.parametrize(
    "reference",
    [
        {"serviceTestRelationship": [{"id": "ROOT", "relationshipType": "dependency", "role": "parent"}]},
        {"characteristic": [{"name": "parentTestRunId", "value": "ROOT"}]},
    ],
    ids=["relationship", "characteristic"],
)
async def test_a_child_that_names_its_parent_joins_its_request(
    api: NorthboundServer, reference: dict[str, Any]
) -> None:
    root = await api.order(id="ROOT")
    child = await api.order(name="child", **reference)
    named, requested = (event.data for event in api.events[1:])
    assert isinstance(named, RunChanged)
    assert (named.run.version, named.run.child_run_ids) == (2, (child["id"],))
    assert isinstance(requested, RunRequested)
    assert (requested.run.parent_run_id, requested.run.root_run_id) == (root["id"], root["id"])
    assert {message.key for message in api.publisher.published} == {root["id"].encode()}


async def test_children_that_the_root_announces_by_their_own_ids_are_only_requested(api: NorthboundServer) -> None:
    announced = [{"id": name, "relationshipType": "dependency", "role": "child"} for name in ("C1", "C2")]
    root = await api.order(id="ROOT", serviceTestRelationship=announced)
    parent = [{"id": "ROOT", "relationshipType": "dependency", "role": "parent"}]
    children = [await api.order(id=name, serviceTestRelationship=parent) for name in ("C1", "C2")]
    assert [type(event.data) for event in api.events] == [RunRequested] * 3
    first = api.events[0].data
    assert isinstance(first, RunRequested)
    assert first.run.child_run_ids == tuple(child["id"] for child in children)
    assert {each["id"] for each in root["serviceTestRelationship"]} == {child["id"] for child in children}


async def test_a_change_of_a_root_keeps_its_children(api: NorthboundServer) -> None:
    root = await api.order(childServiceTest=[an_order_body(name="a", id="A"), an_order_body(name="b", id="B")])
    await api.call("PATCH", "A", {"name": "changed"})
    await api.call("PATCH", "B", {"state": "cancelled"})
    await api.call("PATCH", root["id"], {"name": "root"})
    changed = api.events[-1].data
    assert isinstance(changed, RunChanged)
    assert [(child.name, child.version) for child in changed.run.children] == [("changed", 2)]
    for run_id in (root["id"], "A"):
        view = await api.store.orders.view((await api.call("GET", run_id)).body["id"])
        assert view is not None
        document = view.document.model_copy(update={"children": ()})
        await api.store.save(a_run(document=document, decision=TREE, phase=Phase.ACCEPTED, external_id=run_id))
    await api.call("PATCH", root["id"], {"name": "root again"})
    again = api.events[-1].data
    assert isinstance(again, RunChanged)
    assert (again.run.children, len(again.run.child_run_ids)) == ((), 1)


async def test_a_hierarchy_that_is_too_deep_or_has_no_parent_is_refused(api: NorthboundServer) -> None:
    nested = an_order_body()
    for _ in range(5):
        nested = an_order_body(childServiceTest=[nested])
    assert (await api.call("POST", "", nested)).status == 400
    many = an_order_body(childServiceTest=[an_order_body()] * 30)
    assert (await api.call("POST", "", many)).status == 400
    orphan = an_order_body(serviceTestRelationship=[{"id": "none", "role": "parent"}])
    answer = await api.call("POST", "", orphan)
    assert (answer.status, answer.body["code"]) == (400, "referenceNotFound")
    assert api.events == []


# Who may


async def test_runs_of_another_tenant_do_not_exist(api: NorthboundServer) -> None:
    api.principal = Principal(name="n", tenant="north", scopes=EVERYTHING)
    run = await api.order(id="SN-1")
    assert api.events[0].data.run.tenant == "north"  # type: ignore[union-attr]
    api.principal = Principal(name="n", tenant="south", scopes=EVERYTHING)
    calls = [("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)]
    assert [(await api.call(method, run["id"], body)).status for method, body in calls] == [404, 404, 404]
    assert (await api.call("GET", "")).body == []
    task = {"serviceTest": {"id": run["id"]}}
    assert (await api.call("POST", f"{V5}/cancelServiceTest", task)).status == 404
    child = an_order_body(serviceTestRelationship=[{"id": run["id"], "role": "parent"}])
    assert (await api.call("POST", "", child)).status == 400
    api.principal = Principal(name="all", scopes=EVERYTHING)
    assert (await api.call("GET", run["id"])).status == 200


@pytest.mark.parametrize("missing", [Scope.READ, Scope.ORDER, Scope.CANCEL])
async def test_a_scope_that_is_missing_is_403(api: NorthboundServer, missing: Scope) -> None:
    run = await api.order()
    api.principal = Principal(name="n", scopes=EVERYTHING - {missing})
    calls: dict[tuple[str, str], object] = {
        ("GET", ""): None,
        ("GET", run["id"]): None,
        ("POST", ""): an_order_body(),
        ("PATCH", run["id"]): {"name": "x"},
        ("PATCH", f"{V5}/serviceTest/{run['id']}"): {"state": "cancelled"},
        ("DELETE", run["id"]): None,
    }
    refused = {key for key, body in calls.items() if (await api.call(*key, body)).status == 403}
    assert (
        refused
        == {
            Scope.READ: {("GET", ""), ("GET", run["id"])},
            Scope.ORDER: {("POST", ""), ("PATCH", run["id"])},
            Scope.CANCEL: {("PATCH", f"{V5}/serviceTest/{run['id']}"), ("DELETE", run["id"])},
        }[missing]
    )


@pytest.mark.parametrize("kind", ["merge-patch", "json-patch"])
async def test_a_client_that_may_only_cancel_cancels_by_patch_and_changes_nothing(
    api: NorthboundServer, kind: str
) -> None:
    run = await api.order()
    api.principal = replace(api.principal, scopes=frozenset({Scope.CANCEL}))
    headers = {"Content-Type": f"application/{kind}+json"}

    def patch(name: str, value: str) -> object:
        return {name: value} if kind == "merge-patch" else [{"op": "replace", "path": f"/{name}", "value": value}]

    changed = await api.call("PATCH", run["id"], patch("name", "another"), headers=headers)
    assert (changed.status, "southbound.order" in changed.body["reason"]) == (403, True), changed.body
    unpublished = len(api.events)
    cancelled = await api.call("PATCH", run["id"], patch("state", "cancelled"), headers=headers)
    assert (cancelled.status, len(api.events)) == (200, unpublished + 1), cancelled.body


# What is no request


async def test_what_is_no_json_or_too_large_or_too_deep_is_refused(api: NorthboundServer) -> None:
    headers = {"Content-Type": "application/json"}
    path = f"{V4}/serviceTest"
    assert (await api.call("POST", path, data=b"{", headers=headers)).status == 400
    assert (await api.call("POST", path, data=b"a" * (BODY_LIMIT + 1), headers=headers)).status == 413
    assert (await api.call("POST", path, data=b"<a/>", headers={"Content-Type": "text/xml"})).status == 415
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    assert (await api.call("POST", "", an_order_body(characteristic=[{"name": "a", "value": deep}]))).status == 400
    number = b'{"name":"n","characteristic":[{"name":"a","value":12345678901234567890123}]}'
    inexact = await api.call("POST", path, data=number, headers=headers)
    assert (inexact.status, inexact.body["propertyPath"]) == (400, "/characteristic/0/value")


async def test_unknown_paths_and_methods_are_tmf_errors(api: NorthboundServer) -> None:
    unknown = await api.call("GET", f"{V4}/nothing")
    wrong = await api.call("PUT", f"{V4}/serviceTest", {})
    assert (unknown.status, wrong.status) == (404, 405)
    assert {"code", "reason", "status"} <= unknown.body.keys() & wrong.body.keys()
    assert "POST" in wrong.headers["Allow"]
    assert "Server" not in wrong.headers
