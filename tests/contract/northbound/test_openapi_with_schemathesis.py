"""Requests that schemathesis generates from the served OpenAPI document are answered as the document says."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from consumers.northbound.api.hub import Subscribing, hub_resource
from consumers.northbound.api.service_test_specification import service_test_specification_resource
from consumers.northbound.servicenow.run_signals import RunSignals
from consumers.northbound.servicenow.spoke_requests import SpokeRequestSettings
from consumers.specifications.catalogue import SpecificationCatalogue
from consumers.store.subscriptions.port import SubscriptionLimits
from router.northbound.hub.address_policy import AddressPolicy, parse_network
from router.northbound.servicenow.service_test_request import RUN_TABLE
from tests.fakes.specification_store import InMemorySpecifications
from tests.fakes.specification_topic import InMemorySpecificationTopic
from tests.fixtures.northbound_server import V4, V5, NorthboundServer, a_northbound_server, an_order_body
from tests.fixtures.servicenow_server import SERVICENOW_FORM, ServiceNowResources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from consumers.northbound.api.requests import RequestReader
    from consumers.northbound.api.resource_routes import ResourceRoutes
    from consumers.store.sql_store import SqlRunStore

ROOT = Path(__file__).parents[3]
HOOKS = "tests.contract.northbound.schemathesis_hooks"
EXAMPLES = 6  # that are generated at random of one operation, beside those that cover every keyword of its schemas
MAX_SECONDS = 40  # after which nothing is generated any more; test_every_field_of_a_body.py tries every field
DEADLINE = 400.0  # seconds, on a machine that does much else
SPECIFICATION: dict[str, object] = {"name": "Fibre line", "relatedServiceSpecification": [{"id": "broadband"}]}


def other_resources(store: SqlRunStore, reader: RequestReader) -> Sequence[ResourceRoutes]:
    """Return the resources beside runs and cancellations."""
    ids = count(1)
    catalogue = SpecificationCatalogue(
        topic=InMemorySpecificationTopic(), store=InMemorySpecifications(), now=lambda: datetime.now(UTC)
    )
    subscribing = Subscribing(
        store=store.subscriptions,
        # No name is resolved: that would be a request to the outside for every generated one.
        policy=AddressPolicy(hosts=("127.0.0.1",), networks=(parse_network("127.0.0.0/8"),)),
        limits=SubscriptionLimits(100_000, 100_000),
        now=lambda: datetime.now(UTC),
        new_id=lambda: f"subscription-{next(ids)}",
        secret_of=lambda _: b"secret",
    )
    specifications = service_test_specification_resource(catalogue, reader, lambda: f"specification-{next(ids)}")
    servicenow = ServiceNowResources(
        signals=RunSignals(limit=10),
        settings=SpokeRequestSettings(time_limit=0.01, tables=frozenset({RUN_TABLE}), form=SERVICENOW_FORM),
    )
    return specifications, hub_resource(subscribing, reader), *servicenow.build(store, reader)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[NorthboundServer]:
    """The whole interface, with the limit of bodies that the product has."""
    async with a_northbound_server(tmp_path, more_resources=other_resources, max_body_bytes=512 * 1024) as server:
        yield server


async def test_schemathesis_finds_nothing(api: NorthboundServer, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(f'hooks = "{HOOKS}"\n')
    # Deterministic: the same requests in every run, so there is no seed to print.
    options = ["--generation-deterministic", f"--max-examples={EXAMPLES}", "--checks=all", "--no-color", "--no-shrink"]
    options.append(f"--max-time={MAX_SECONDS}")
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        f"--config-file={config}",
        "run",
        f"{api.address}/openapi.json",
        *options,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    report = output.decode()
    assert process.returncode == 0, report
    assert "Tested: 38" in report, report


# What it found, each by the smallest request


@pytest.mark.parametrize("base", [V4, V5])
async def test_a_body_that_breaks_a_rule_is_400_whatever_if_match_says(api: NorthboundServer, base: str) -> None:
    stale = {"If-Match": '"stale"'}
    run = await api.order()
    specification = await api.call("POST", f"{base}/serviceTestSpecification", {**SPECIFICATION, "id": "x"})
    assert specification.status == 201
    for path in (f"{base}/serviceTest/{run['id']}", f"{base}/serviceTestSpecification/x"):
        wrong = await api.call("PATCH", path, {"name": 7.5, "relatedService": 1, "relatedServiceSpecification": 1})
        refused = await api.call("PATCH", path, {"name": [1]}, headers=stale)
        late = await api.call("PATCH", path, {"description": "another"}, headers=stale)
        assert (wrong.status, refused.status, late.status) == (400, 400, 412)


@pytest.mark.parametrize("name", ["metricName", "name", "metricHref", "unitOfMeasure"])
async def test_a_nul_in_a_measure_of_a_specification_is_refused(api: NorthboundServer, name: str) -> None:
    measure = {"metricName": "speed", name: "a\x00"}
    answer = await api.call(
        "POST", f"{V4}/serviceTestSpecification", {**SPECIFICATION, "testMeasureDefinition": [measure]}
    )
    assert answer.status == 400, answer.body
    assert answer.body["propertyPath"] == f"/testMeasureDefinition/0/{name}"


@pytest.mark.parametrize("amount", [True, False, "", "five", "-1"])
async def test_a_duration_that_is_no_whole_number_is_refused(api: NorthboundServer, amount: object) -> None:
    duration = {"amount": amount, "units": "seconds"}
    path = f"{V4}/serviceTestSpecification"
    assert (await api.call("POST", path, {**SPECIFICATION, "expectedDuration": duration})).status == 400
    taken = {**SPECIFICATION, "expectedDuration": {**duration, "amount": "5"}}
    assert (await api.call("POST", path, taken)).status == 201


async def test_a_text_other_than_true_and_false_is_no_boolean(api: NorthboundServer) -> None:
    statuses = {}
    for written in ("true", "False", "yes", 1, None):
        measures = [{"metricName": "speed", "mandatory": written}]
        body = {**SPECIFICATION, "testMeasureDefinition": measures}
        statuses[written] = (await api.call("POST", f"{V4}/serviceTestSpecification", body)).status
    assert statuses == {"true": 201, "False": 201, "yes": 400, 1: 400, None: 400}


async def test_the_document_says_which_idempotency_keys_are_taken(api: NorthboundServer) -> None:
    paths = (await api.call("GET", "/openapi.json")).body["paths"]
    (key,) = (each for each in paths[f"{V4}/serviceTest"]["post"]["parameters"] if each["name"] == "Idempotency-Key")
    assert (key["schema"]["minLength"], key["schema"]["maxLength"]) == (1, 255)
    for length, status in ((1, 201), (255, 201), (256, 400)):
        headers = {"Idempotency-Key": "k" * length}
        assert (await api.call("POST", "", an_order_body(), headers=headers)).status == status


async def test_the_document_links_what_is_made_to_the_operations_on_it(api: NorthboundServer) -> None:
    paths = (await api.call("GET", "/openapi.json")).body["paths"]
    known = {
        operation["operationId"] for path in paths.values() for operation in path.values() if "operationId" in operation
    }
    linked = {
        name
        for path in paths.values()
        for response in path.get("post", {}).get("responses", {}).values()
        for name in response.get("links", {})
    }
    assert linked <= known
    assert {"retrieveServiceTest", "patchServiceTestV5", "deleteHub", "retrieveCancelServiceTest"} <= linked


async def test_a_patch_is_not_refused_for_what_another_version_left_out(api: NorthboundServer) -> None:
    measure = {"metricName": "speed"}  # version 4 requires its metricHref
    ordered = await api.call("POST", f"{V5}/serviceTest", an_order_body(testMeasure=[measure]))
    assert ordered.status == 201, ordered.body
    path = f"{V4}/serviceTest/{ordered.body['id']}"
    assert (await api.call("PATCH", path, {"description": "another"})).status == 200
    assert (await api.call("PATCH", path, {"testMeasure": [{"metricName": "delay"}]})).status == 400
