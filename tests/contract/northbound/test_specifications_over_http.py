"""Specifications are read and changed over HTTP as TMF653 says, and whoever changes one reads it at once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from consumers.northbound.access.request_keys import PRINCIPAL
from consumers.northbound.api.requests import RequestLimits, RequestReader
from consumers.northbound.api.server import ApiServer
from consumers.northbound.api.service_test_specification import service_test_specification_resource
from consumers.specifications.catalogue import SpecificationCatalogue
from consumers.specifications.published_specifications import PublishedSpecifications, plan_apply
from consumers.store.specifications.port import SpecificationChanges
from consumers.table_topic.publish_plan import Authorship
from router.northbound.api_version import ApiVersion
from router.northbound.principal import LOCAL_PRINCIPAL, Principal, Scope
from schemas.published_tables import SpecificationRecord
from southbound.simulator.tmf_definition import official_definition
from tests.builders.specifications import a_specification_document
from tests.fakes.specification_store import InMemorySpecifications
from tests.fakes.specification_topic import InMemorySpecificationTopic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from southbound.simulator.tmf_definition import ResourceType

V4 = ApiVersion("4.1.0") if "4.1.0" in [one.value for one in ApiVersion] else next(iter(ApiVersion))
PATH = f"{V4.base}/serviceTestSpecification"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NEW = {"name": "Fibre line", "relatedServiceSpecification": [{"id": "broadband"}]}


@dataclass
class Served:
    """The server with its topic and store."""

    client: TestClient[web.Request, web.Application]
    topic: InMemorySpecificationTopic
    store: InMemorySpecifications
    principal: list[Principal] = field(default_factory=lambda: [LOCAL_PRINCIPAL])

    async def call(self, method: str, path: str = "", status: int = 200, **more: Any) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of a response that has this status; a dictionary of headers is added as `headers`."""
        async with self.client.request(method, f"{PATH}{path}", **more) as response:
            content = await response.json() if response.content_type == "application/json" else None
            assert response.status == status, content
            self.headers = response.headers
            return content

    async def call_v5(self, method: str, path: str = "", status: int = 200, **more: Any) -> Any:  # noqa: ANN401 - JSON
        """Call a path of version 5."""
        address = f"{ApiVersion.V5.base}/serviceTestSpecification{path}"
        async with self.client.request(method, address, **more) as response:
            content = await response.json() if response.content_type == "application/json" else None
            assert response.status == status, content
            self.headers = response.headers
            return content

    async def add(self, *spec_ids: str, **more: object) -> None:
        for spec_id in spec_ids:
            await self.call("POST", json=NEW | {"id": spec_id} | more, status=201)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    topic, store = InMemorySpecificationTopic(), InMemorySpecifications()
    principal = [LOCAL_PRINCIPAL]

    @web.middleware
    async def authenticate(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        request[PRINCIPAL] = principal[-1]
        return await handler(request)

    catalogue = SpecificationCatalogue(topic=topic, store=store, now=lambda: NOW)
    reader = RequestReader(v4=V4, limits=RequestLimits())
    resource = service_test_specification_resource(catalogue, reader, lambda: "a new id")
    server = ApiServer(host="127.0.0.1", port=0, version=V4, resources=[resource], authenticate=authenticate)
    async with TestClient(TestServer(server.application())) as client:
        yield Served(client=client, topic=topic, store=store, principal=principal)


def assert_official(kind: ResourceType, body: object) -> None:
    assert official_definition().violations(kind, body) == ()


async def test_what_is_created_is_read_at_once_and_fits_the_official_definition(served: Served) -> None:
    document = a_specification_document("x", "TM-1")
    del document["id"]
    assert_official("ServiceTestSpecification_Create", document)
    created = await served.call("POST", json=document, status=201)
    assert served.headers["Location"] == created["href"]
    assert created["id"] == "a new id"
    read = await served.call("GET", "/a new id")
    assert read == created
    assert document.items() <= read.items()
    assert_official("ServiceTestSpecification", read)
    [listed] = await served.call("GET")
    assert listed == read
    assert [*(await served.topic.read()).readable] == ["a new id"]


async def test_a_specification_that_the_command_applied_can_be_changed(served: Served) -> None:
    authorship = Authorship(author="ann", at=NOW)
    plan, [record] = plan_apply(PublishedSpecifications(), [a_specification_document("A")], authorship)
    await served.topic.write(plan)
    changed = await served.call("PATCH", "/A", json={"version": "2"})
    assert (changed["version"], changed["name"]) == ("2", "Specification A")
    stored = await served.store.get("A")
    assert stored is not None
    assert (stored.revision > record.revision, stored.author) == (True, "local")


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("sort=-id", ["C", "B", "A"]),
        ("sort=lifecycleStatus,-version", ["B", "C", "A"]),  # without one: before all others
        ("sort=-lifecycleStatus,-id&limit=2", ["C", "A"]),
        ("sort=-id&limit=1&offset=1", ["B"]),
        ("version.regex=%5E%5B01%5D$", ["A", "B"]),
    ],
)
async def test_specifications_are_sorted_and_searched(served: Served, query: str, ids: list[str]) -> None:
    await served.add("A", version="1", lifecycleStatus="Published")
    await served.add("B", version="1")
    await served.add("C", version="2", lifecycleStatus="Published")
    status = 200 if len(ids) == 3 or "regex" in query else 206
    assert [one["id"] for one in await served.call("GET", f"?{query}", status=status)] == ids


async def test_patches_of_both_kinds_change_what_they_name(served: Served) -> None:
    await served.add("A", description="old", version="1")
    assert_official("ServiceTestSpecification_Update", {"description": "new"})
    changed = await served.call("PATCH", "/A", json={"description": "new", "version": None})
    assert (changed["description"], "version" in changed) == ("new", False)
    operations = [{"op": "add", "path": "/testMeasureDefinition", "value": [{"metricName": "speed"}]}]
    kind = {"Content-Type": "application/json-patch+json"}
    changed = await served.call("PATCH", "/A", json=operations, headers=kind)
    assert changed["testMeasureDefinition"] == [{"metricName": "speed"}]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "pointer"),
    [
        ("POST", "", {"relatedServiceSpecification": [{"id": "x"}]}, 400, "/name"),
        ("POST", "", {"name": "x"}, 400, "/relatedServiceSpecification"),
        ("POST", "", NEW | {"testMeasureDefinition": [7]}, 400, "/testMeasureDefinition/0"),
        ("POST", "", NEW | {"validFor": "2026"}, 400, "/validFor"),
        ("POST", "", NEW | {"description": "x" * 4001}, 400, "/description"),
        ("PATCH", "/A", {"attachment": [7]}, 400, "/attachment/0"),
        ("PATCH", "/A", {"timeOut": {"amount": -1, "units": "hours"}}, 400, "/timeOut/amount"),
        ("POST", "", [], 400, None),
        ("POST", "", NEW | {"id": "A"}, 409, "/id"),
        ("PATCH", "/A", {"id": "B"}, 400, "/id"),
        ("PATCH", "/A", {"href": "http://elsewhere"}, 400, "/href"),
        ("PATCH", "/A", {"relatedServiceSpecification": None}, 400, "/relatedServiceSpecification"),
        ("PATCH", "/A", [], 400, None),
        ("PATCH", "/unknown", {"name": "x"}, 404, None),
        ("DELETE", "/unknown", None, 404, None),
        ("GET", "/unknown", None, 404, None),
        ("GET", "?limit=0", None, 400, None),
        ("GET", "?colour=red", None, 400, None),
        ("PUT", "/A", {}, 405, None),
    ],
)
async def test_a_mistake_is_an_error_with_its_place(
    served: Served, method: str, path: str, body: object, status: int, pointer: str | None
) -> None:
    await served.add("A")
    before = list(served.topic.log)
    error = await served.call(method, path, json=body, status=status)
    assert error.get("propertyPath") == pointer
    assert_official("Error", error)
    assert served.topic.log == before


async def test_a_deleted_specification_is_gone_at_once_and_can_be_made_anew(served: Served) -> None:
    await served.add("A")
    await served.call("DELETE", "/A", status=204)
    await served.call("GET", "/A", status=404)
    assert await served.call("GET") == []
    await served.add("A", version="2")
    assert (await served.call("GET", "/A"))["version"] == "2"


async def test_a_list_has_filters_fields_and_pages(served: Served) -> None:
    await served.add("A", "B", lifecycleStatus="published")
    await served.add("C", "D", lifecycleStatus="draft")
    assert [one["id"] for one in await served.call("GET", "?lifecycleStatus=published")] == ["A", "B"]
    assert [one["id"] for one in await served.call("GET", "?relatedServiceSpecification.id=broadband&id=D,A")] == [
        "A",
        "D",
    ]
    page = await served.call("GET", "?offset=1&limit=2&fields=name", status=206)
    assert [one["id"] for one in page] == ["B", "C"]
    assert all("lifecycleStatus" not in one for one in page)
    assert (served.headers["X-Total-Count"], served.headers["X-Result-Count"]) == ("4", "2")
    assert served.headers["Content-Range"] == "items 1-2/4"


async def test_a_change_on_condition_of_an_older_entity_tag_is_refused(served: Served) -> None:
    await served.add("A")
    old = served.headers["ETag"]
    await served.call("GET", "/A", status=304, headers={"If-None-Match": old})
    await served.call("PATCH", "/A", json={"version": "2"}, headers={"If-Match": old})
    await served.call("PATCH", "/A", json={"version": "3"}, headers={"If-Match": old}, status=412)
    await served.call("DELETE", "/A", headers={"If-Match": old}, status=412)
    assert (await served.call("GET", "/A"))["version"] == "2"


async def test_two_processes_that_change_the_same_specification_lose_neither_change(served: Served) -> None:
    await served.add("A")
    authorship = Authorship(author="another process", at=NOW)
    document = NEW | {"id": "A", "description": "of the other"}
    plan, _ = plan_apply(await served.topic.read(), [document], authorship)
    served.topic.quicker = [(key.encode(), value) for key, value in plan.records.items()]
    changed = await served.call("PATCH", "/A", json={"version": "2"})
    assert (changed["description"], changed["version"]) == ("of the other", "2")


async def test_only_administrators_of_all_tenants_change_specifications(served: Served) -> None:
    await served.add("A")
    for principal in (
        Principal(name="orders", scopes=frozenset(Scope) - {Scope.ADMINISTER}),
        replace(LOCAL_PRINCIPAL, tenant="north"),
    ):
        served.principal.append(principal)
        await served.call("GET", "/A")
        await served.call("POST", json=NEW, status=403)
        await served.call("PATCH", "/A", json={"version": "2"}, status=403)
        await served.call("DELETE", "/A", status=403)
    served.principal.append(Principal(name="nobody"))
    await served.call("GET", "/A", status=403)


async def test_a_change_while_kafka_is_away_is_refused_and_can_be_repeated(served: Served) -> None:
    served.topic.problem = "Kafka is away"
    await served.call("POST", json=NEW, status=503)
    assert served.headers["Retry-After"]
    served.topic.problem = ""
    await served.call("POST", json=NEW, status=201)


RELATED = [{"id": "copper-line", "relationshipType": "substitution"}]
PARTY = {"id": "P1", "@referredType": "Customer", "role": "owner"}


async def test_a_party_of_version_5_needs_no_type_that_only_version_4_requires(served: Served) -> None:
    party = {"@type": "RelatedPartyRefOrPartyRoleRef", "role": "owner", "partyOrPartyRole": {"id": "P1"}}
    added = await served.call_v5("POST", json={**NEW, "relatedParty": [party]}, status=201)
    shown = await served.call("GET", f"/{added['id']}")
    assert shown["relatedParty"] == [{"id": "P1", "@referredType": "Party", "role": "owner"}]
    changed = await served.call_v5("PATCH", f"/{added['id']}", json={"version": "2"})
    assert changed["relatedParty"][0]["partyOrPartyRole"]["id"] == "P1"


async def test_each_version_shows_the_same_specification_in_its_form(served: Served) -> None:
    more = {"serviceTestSpecRelationship": RELATED, "relatedParty": [PARTY]}
    await served.add("A", testMeasureDefinition=[{"metricName": "speed", "metricHref": "urn:m:1"}], **more)
    tag = served.headers["ETag"]
    shown = await served.call_v5("GET", "/A")
    assert served.headers["ETag"] == tag
    assert (shown["@type"], "/v5/" in shown["href"]) == ("ServiceTestSpecification", True)
    assert "serviceTestSpecRelationship" not in shown
    [relationship] = shown["serviceTestSpecificationRelationship"]
    assert relationship == {**RELATED[0], "@type": "ServiceTestSpecificationRelationship"}
    assert shown["relatedParty"][0]["partyOrPartyRole"]["id"] == "P1"
    assert shown["testMeasureDefinition"][0]["metricUri"] == "urn:m:1"
    older = await served.call("GET", "/A")
    assert (older["serviceTestSpecRelationship"], older["relatedParty"]) == (RELATED, [PARTY])
    assert [one["id"] for one in await served.call_v5("GET", "?serviceTestSpecificationRelationship.id=copper-line")]
    await served.call_v5("GET", "?serviceTestSpecRelationship.id=copper-line", status=400)
    await served.call("GET", "?serviceTestSpecificationRelationship.id=copper-line", status=400)


async def test_what_a_client_of_version_5_writes_is_read_by_both_versions(served: Served) -> None:
    await served.add("A", serviceTestSpecRelationship=RELATED, description="old")
    newer = await served.call_v5("GET", "/A")
    created = await served.call_v5("POST", json={**newer, "id": "B"}, status=201)
    assert {**created, "id": "A", "href": newer["href"]} == newer
    assert (await served.call("GET", "/B"))["serviceTestSpecRelationship"] == RELATED
    patch = {"serviceTestSpecificationRelationship": [{"id": "C", "relationshipType": "dependency"}]}
    changed = await served.call_v5("PATCH", "/B", json=patch)
    assert changed["serviceTestSpecificationRelationship"][0]["id"] == "C"
    older = await served.call("GET", "/B")
    assert older["serviceTestSpecRelationship"] == patch["serviceTestSpecificationRelationship"]
    assert_official("ServiceTestSpecification", older)
    assert "@type" not in older["relatedServiceSpecification"][0]


async def test_a_patch_leaves_what_it_does_not_change_as_it_was_written(served: Served) -> None:
    measure = {"metricName": "speed", "metricHref": "urn:m:1", "@type": "TestMeasureDefinition"}
    await served.add("A", testMeasureDefinition=[measure], serviceTestSpecRelationship=RELATED)
    writes = served.topic.writes
    await served.call_v5("PATCH", "/A", json={"name": NEW["name"]})
    assert served.topic.writes == writes  # it changes nothing
    await served.call_v5("PATCH", "/A", json={"description": "new"})
    older = await served.call("GET", "/A")
    assert (older["testMeasureDefinition"], older["serviceTestSpecRelationship"]) == ([measure], RELATED)


async def test_version_5_takes_a_json_patch_with_queries_and_each_version_names_the_patches_that_it_takes(
    served: Served,
) -> None:
    await served.add("A", testMeasureDefinition=[{"metricName": "speed"}, {"metricName": "delay"}])
    path = "/testMeasureDefinition/unitOfMeasure?testMeasureDefinition.metricName=delay"
    patch = [{"op": "add", "path": path, "value": "ms"}]
    kind = {"Content-Type": "application/json-patch-query+json"}
    await served.call("PATCH", "/A", json=patch, headers=kind, status=415)
    offered = served.headers["Accept-Patch"].split(", ")
    assert offered == ["application/json", "application/json-patch+json", "application/merge-patch+json"]
    changed = await served.call_v5("PATCH", "/A", json=patch, headers=kind)
    assert [one.get("unitOfMeasure") for one in changed["testMeasureDefinition"]] == [None, "ms"]
    await served.call_v5("PATCH", "/A", data="x", headers={"Content-Type": "text/plain"}, status=415)
    assert {*served.headers["Accept-Patch"].split(", ")} == {*offered, "application/json-patch-query+json"}
    async with served.client.get("/openapi.json") as response:
        paths = (await response.json())["paths"]
    for base, media_types in ((V4.base, {*offered}), (ApiVersion.V5.base, {*offered, kind["Content-Type"]})):
        described = paths[f"{base}/serviceTestSpecification/{{id}}"]["patch"]["requestBody"]["content"]
        assert {*described} == media_types


async def test_a_specification_that_was_written_when_less_was_checked_can_be_used_and_mended(served: Served) -> None:
    document = a_specification_document("A", "TM-1", validFor="always")
    record = SpecificationRecord(id="A", revision=1, author="ann", changed_at=NOW, document=document)
    served.topic.log.append((b"A", record.model_dump_json().encode()))
    await served.store.save(SpecificationChanges(written=[record]))
    assert (await served.topic.read()).readable["A"].applied.test_measure
    assert (await served.call("GET", "/A"))["validFor"] == "always"
    refused = await served.call("PATCH", "/A", json={"version": "2"}, status=400)
    assert refused["propertyPath"] == "/validFor"
    await served.call("PATCH", "/A", json={"version": "2", "validFor": None})


async def test_the_document_describes_the_paths(served: Served) -> None:
    async with served.client.get("/openapi.json") as response:
        document = await response.json()
    assert {*document["paths"][PATH]} == {"get", "post"}
    assert {*document["paths"][f"{PATH}/{{id}}"]} == {"parameters", "get", "patch", "delete"}
