"""A run of somebody else is not taken for ours because it has our name, or our run id as the id of another owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from router.responses import HttpResponse, Purpose
from schemas.inbound import InboundReceived
from schemas.vocabulary import Channel, Phase
from tests.builders.runs import a_document
from tests.fakes.external_system import CallFault, json_answer
from tests.harness.gateway import InMemoryGateway
from tests.unit.dispatch.test_doubts import OddListing, page_of

if TYPE_CHECKING:
    from consumers.spokes.port import Call
    from tests.unit.dispatch.test_doubts import ListedRuns

OF_CRM = [{"id": "1001", "owner": "crm", "externalIdentifierType": "ticket"}]


def shows_also(foreign: dict[str, object], *, filters: bool) -> OddListing:
    def listing(call: Call, runs: ListedRuns) -> HttpResponse:
        shown = [foreign, *runs]
        if filters and "externalIdentifier.id" in dict(call.query):
            shown = [each for each in shown if "externalIdentifier" in each]
        return page_of(shown, call, **{"x-total-count": str(len(shown))})

    return OddListing(listing)


@pytest.mark.parametrize("filters", [True, False])
async def test_a_foreign_run_with_a_name_that_is_not_unique_is_not_adopted(*, filters: bool) -> None:
    foreign: dict[str, object] = {"id": "foreign-1", "name": "Line test", "state": "inProgress"}
    system = shows_also(foreign, filters=filters)
    gateway = InMemoryGateway(profile={"look_up": "external_identifier"}, system=system)
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    await gateway.process_request(a_document(name="Line test"))
    assert gateway.row().external_id == "ext-test"  # the fake system's id of it
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


async def test_a_foreign_run_whose_owner_has_an_id_like_ours_is_not_adopted() -> None:
    foreign: dict[str, object] = {"id": "foreign-1", "name": "x", "state": "inProgress", "externalIdentifier": OF_CRM}
    gateway = InMemoryGateway(system=shows_also(foreign, filters=True))
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_request(a_document("1001", name="Line test 1001"))
    assert gateway.row("1001").external_id != "foreign-1"


@pytest.mark.parametrize(
    "body",
    [
        {"externalIdentifier": OF_CRM},
        {"name": "Retest after 1001"},
        {"name": "Line test 1001", "externalIdentifier": [{"id": "1002", "owner": "southbound"}]},
    ],
)
async def test_a_callback_about_a_foreign_run_does_not_end_ours(body: dict[str, object]) -> None:
    gateway = await a_run_without_id()
    await report(gateway, body)
    assert (gateway.row("1001").phase, gateway.row("1001").external_id) == (Phase.ACCEPTED, None)


@pytest.mark.parametrize(
    "identifier",
    [
        {"id": "1001"},
        {"id": "1001", "owner": "Southbound "},
        {"id": "1001", "owner": "tenant 7", "externalIdentifierType": "testRunId"},
    ],
)
async def test_a_callback_that_echoes_our_id_is_about_our_run(identifier: dict[str, object]) -> None:
    gateway = await a_run_without_id()
    await report(gateway, {"externalIdentifier": [identifier]})
    assert gateway.row("1001").phase is Phase.FULFILLED


async def a_run_without_id() -> InMemoryGateway:
    gateway = InMemoryGateway(profile={"look_up": "none"})
    gateway.system.plan(Purpose.SEND, HttpResponse(status=202))
    await gateway.process_request(a_document("1001", name="Line test"))
    return gateway


async def report(gateway: InMemoryGateway, body: dict[str, object]) -> None:
    run = {"id": "p-1", "state": "completed", "testMeasure": [], **body}
    event = {"eventType": "ServiceTestStateChangeEvent", "event": {"serviceTest": run}}
    received = InboundReceived(
        spoke="fibre-lab",
        external_id="p-1",
        channel=Channel.CALLBACK,
        received_at=gateway.clock(),
        body=orjson.dumps(event),
    )
    gateway.produce(gateway.names.inbound, received, "p")
    await gateway.run_until_idle()


async def test_a_run_that_only_has_our_name_is_perhaps_ours_where_names_are_not_unique() -> None:
    gateway = InMemoryGateway(
        profile={"look_up": "external_identifier"},
        system=OddListing(lambda _call, _runs: json_answer(200, [{"id": "9", "name": "Line test"}])),
    )
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_request(a_document(name="Line test"))
    assert gateway.row().phase is Phase.FALLOUT
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
