"""Each cell of docs/tmf653-support.md is proven against a strict system of its version, over real connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from consumers.spokes.tmf653.versions import VERSIONS
from docs.generate.tmf653_support import CAPABILITIES
from schemas.results import Reason
from schemas.run_document import Characteristic, RelatedParty, RequestedMeasure, ServiceRef
from schemas.vocabulary import MeasureIdOrigin, Phase, Result, RunState, UpdateKind
from southbound.simulator.behaviours import completes_by_callback, completes_immediately, rejects, stays_pending
from tests.builders.runs import a_document, a_tree
from tests.harness.gateway_and_system import DEADLINE, a_gateway_and_system

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.run_document import RunDocument
    from tests.harness.gateway import InMemoryGateway

PROVEN: set[str] = set()
REASON = Reason(code="outOfRange", message="must be positive", property_path="/characteristic/0/value")


def proves(name: str) -> pytest.MarkDecorator:
    """Run a test in every version that has a capability, and note that it is proven."""
    PROVEN.add(name)
    forms = next(each.forms for each in CAPABILITIES if each.name == name)
    return pytest.mark.parametrize("version", list(forms))


def has_ended(gateway: InMemoryGateway) -> bool:
    return bool(gateway.results())


def is_told(*kinds: UpdateKind) -> Callable[[InMemoryGateway], bool]:
    return lambda gateway: set(kinds) <= set(gateway.updates())


def a_run_document(**more: Any) -> RunDocument:  # noqa: ANN401 - any field of a run
    return a_document("TR0001", **more)


def changed(document: RunDocument, **fields: object) -> RunDocument:
    return document.model_copy(update={"version": document.version + 1, **fields})


def test_every_capability_is_proven_in_every_version_that_it_names() -> None:
    assert {each.name for each in CAPABILITIES} == PROVEN
    assert all(each.forms.keys() <= VERSIONS.keys() for each in CAPABILITIES)


@proves("single run")
async def test_a_run_ends_with_the_measures_of_the_response(version: str) -> None:
    async with a_gateway_and_system(version, completes_immediately(values={"metric M1": 7})) as both:
        await both.gateway.process_request(a_run_document(measures=("M1",)))
        result = both.gateway.results()[0]
    assert (result.state, [(each.id, each.value) for each in result.test_measure]) == (RunState.COMPLETED, [("M1", 7)])


@proves("values")
async def test_values_of_every_kind_arrive_as_they_are(version: str) -> None:
    values = {"text": "fast", "number": 0.5, "whole": 3, "truth": True, "texts": ["a"], "object": {"down": 1}}
    run = a_run_document(characteristic=tuple(Characteristic(name=name, value=of) for name, of in values.items()))
    async with a_gateway_and_system(version, completes_immediately()) as both:
        await both.gateway.process_request(run)
        (posted,) = both.bodies("POST")
    assert {each["name"]: each["value"] for each in posted["characteristic"]} == values
    assert all(("@type" in each) == (version == "5.0") for each in posted["characteristic"])


@proves("measures")
async def test_a_measure_is_recognised_by_what_was_sent_with_it(version: str) -> None:
    measure = RequestedMeasure(id="M1", metric_name="rate", definition_id="D1")
    run = a_run_document().model_copy(update={"test_measure": (measure,)})
    async with a_gateway_and_system(version, completes_immediately()) as both:
        await both.gateway.process_request(run)
        (reported,) = both.gateway.results()[0].test_measure
    expected = MeasureIdOrigin.DEFINITION if version == "5.0" else MeasureIdOrigin.REPORTED
    assert (reported.id, reported.id_origin) == ("M1", expected)


@proves("our id")
async def test_the_system_stores_our_id(version: str) -> None:
    profile = {} if version == "5.0" else {"look_up": "external_identifier"}
    async with a_gateway_and_system(version, completes_immediately(), **profile) as both:
        await both.gateway.process_request(a_run_document())
        (posted,) = both.bodies("POST")
    assert [each["id"] for each in posted["externalIdentifier"]] == ["TR0001"]


@proves("related parties")
async def test_related_parties_have_the_form_of_the_version(version: str) -> None:
    party = RelatedParty(id="C1", referred_type="Individual", role="customer")
    async with a_gateway_and_system(version, completes_immediately()) as both:
        await both.gateway.process_request(a_run_document(related_party=(party,)))
        (posted,) = both.bodies("POST")[0]["relatedParty"]
    assert posted["role"] == "customer"
    assert (posted["partyOrPartyRole"] if version == "5.0" else posted)["id"] == "C1"


@proves("hierarchy")
async def test_children_name_their_parent(version: str) -> None:
    async with a_gateway_and_system(version, completes_immediately()) as both:
        await both.gateway.process_request(a_tree(children=2, spec="fibre-tree"))
        _, *children = both.bodies("POST")
        root_id = both.gateway.row().external_id
        request = both.gateway.request_results()[0]
    assert [child["serviceTestRelationship"][0]["id"] for child in children] == [root_id] * 2
    assert (request.state, request.counts) == (RunState.COMPLETED, {"completed": 3})


@proves("bundle")
async def test_a_bundle_is_one_post(version: str) -> None:
    async with a_gateway_and_system(version, completes_immediately()) as both:
        await both.gateway.process_request(a_tree(children=2, spec="fibre-bundle"))
        (posted,) = both.bodies("POST")
        (result,) = both.gateway.results()
    assert len(posted["childServiceTest"]) == 2
    assert result.state is (RunState.REJECTED if version == "5.0" else RunState.COMPLETED)


@proves("accepted for later")
async def test_a_run_that_is_accepted_without_an_id_is_looked_up(version: str) -> None:
    behaviour = completes_by_callback(0.05, response_status=202, returns_id=False)
    async with a_gateway_and_system(version, behaviour) as both:
        await both.gateway.process_request(a_run_document())
        gateway = await both.until(has_ended)
    assert gateway.row().external_id in both.system.tests
    assert len(both.sent("POST")) == 1


@proves("change")
async def test_a_change_is_a_merge_patch(version: str) -> None:
    old, new = (Characteristic(name="speed", value=value) for value in (1, 2))
    run = a_run_document(characteristic=(old,), description="slow")
    async with a_gateway_and_system(version, stays_pending(None)) as both:
        await both.gateway.process_request(run)
        await both.gateway.process_change(changed(run, characteristic=(new,), description=None))
        (patch,) = both.sent("PATCH")
        (stored,) = both.system.tests.values()
    expected = "application/merge-patch+json" if version == "5.0" else "application/json"
    assert patch.headers["content-type"] == expected
    assert stored.resource["characteristic"][0]["value"] == 2  # type: ignore[index]
    assert "description" not in stored.resource
    assert UpdateKind.CHANGE_ACCEPTED in both.gateway.updates()


@proves("change in part")
async def test_what_the_profile_allows_is_changed_and_the_rest_is_named(version: str) -> None:
    run = a_run_document(description="slow")
    target = ServiceRef(id="PI0099")
    async with a_gateway_and_system(version, stays_pending(None), patchable=["description"]) as both:
        await both.gateway.process_request(run)
        await both.gateway.process_change(changed(run, description="fast", related_service=target))
        (stored,) = both.system.tests.values()
        gateway = both.gateway
    assert stored.resource["description"] == "fast"
    assert gateway.updates()[-2:] == [UpdateKind.CHANGE_ACCEPTED, UpdateKind.CHANGE_REFUSED]
    assert [each.property_path for each in gateway.last_update().reasons] == ["/relatedService"]


@proves("change by another post")
async def test_a_run_is_cancelled_and_posted_again(version: str) -> None:
    run = a_run_document(description="slow")
    target = ServiceRef(id="PI0099")
    reposted = ["description", "relatedService"]
    async with a_gateway_and_system(version, stays_pending(None), patchable=[], reposted=reposted) as both:
        await both.gateway.process_request(run)
        await both.gateway.process_change(changed(run, related_service=target))
        gateway = await both.until(is_told(UpdateKind.CHANGE_ACCEPTED))
        stored = {name: test.resource for name, test in both.system.tests.items()}
    active = [name for name, resource in stored.items() if resource["state"] == "acknowledged"]
    assert active == [gateway.row().external_id]
    assert stored[active[0]]["relatedService"]["id"] == "PI0099"  # type: ignore[index]
    assert len(both.sent("POST")) == 2
    assert gateway.results() == []


@proves("child in root")
async def test_a_child_is_changed_by_a_patch_of_its_root(version: str) -> None:
    tree = a_tree(children=2, spec="fibre-bundle")
    first = tree.children[0].model_copy(update={"version": 2, "description": "fast"})
    profile = {"patchable": ["description"], "children_changed_in": "root"}
    async with a_gateway_and_system(version, stays_pending(None), **profile) as both:
        await both.gateway.process_request(tree)
        await both.gateway.process_change(changed(tree, children=(first, *tree.children[1:])))
        (patch,) = both.sent("PATCH")
        (children,) = [each["childServiceTest"] for each in both.bodies("PATCH")]
        gateway = both.gateway
    assert patch.path.endswith(f"/{gateway.row().external_id}")
    assert [each["id"] for each in children] == [gateway.row(f"TR0001-{number}").external_id for number in (1, 2)]
    assert [each.get("description") for each in children] == ["fast", None]
    assert gateway.updates("TR0001-1")[-1] is UpdateKind.CHANGE_ACCEPTED


@proves("json patch")
async def test_a_change_is_a_list_of_operations(version: str) -> None:
    run = a_run_document(description="slow")
    media_types = {"change": "application/json-patch+json"}
    speed = Characteristic(name="speed", value=2)
    async with a_gateway_and_system(version, stays_pending(None), media_types=media_types) as both:
        await both.gateway.process_request(run)
        await both.gateway.process_change(changed(run, characteristic=(speed,), description=None))
        (operations,) = both.bodies("PATCH")
        (stored,) = both.system.tests.values()
    assert {(each["op"], each["path"]) for each in operations} == {
        ("add", "/characteristic"),
        ("remove", "/description"),
    }
    assert "description" not in stored.resource
    assert UpdateKind.CHANGE_ACCEPTED in both.gateway.updates()


@proves("change refused")
async def test_a_refused_change_says_why(version: str) -> None:
    run = a_run_document()
    async with a_gateway_and_system(version, stays_pending(None, changeable=False)) as both:
        await both.gateway.process_request(run)
        await both.gateway.process_change(changed(run, description="fast"))
        update = both.gateway.last_update()
    assert (update.kind, update.reasons[0].property_path) == (UpdateKind.CHANGE_REFUSED, "/description")
    assert both.gateway.row().phase is Phase.ACCEPTED


@proves("cancellation")
async def test_a_cancelled_run_ends(version: str) -> None:
    async with a_gateway_and_system(version, stays_pending(None)) as both:
        await both.gateway.process_request(a_run_document())
        await both.gateway.process_cancellation("TR0001")
        gateway = await both.until(has_ended)
    assert UpdateKind.CANCEL_ACCEPTED in gateway.updates()
    assert gateway.results()[0].state is RunState.CANCELLED
    assert len(both.sent("POST", "/cancelServiceTest")) == (version == "5.0")
    assert len(both.sent("PATCH")) == (version != "5.0")


@proves("cancellation by delete")
async def test_a_run_is_cancelled_by_delete(version: str) -> None:
    async with a_gateway_and_system(version, stays_pending(None), cancel="delete") as both:
        await both.gateway.process_request(a_run_document())
        await both.gateway.process_cancellation("TR0001")
        gateway = await both.until(has_ended)
    assert gateway.results()[0].state is RunState.CANCELLED
    assert both.system.tests == {}


@proves("cancellation refused")
async def test_a_run_whose_cancellation_is_refused_goes_on(version: str) -> None:
    async with a_gateway_and_system(version, stays_pending(None, cancelable=False)) as both:
        await both.gateway.process_request(a_run_document())
        await both.gateway.process_cancellation("TR0001")
        gateway = await both.until(is_told(UpdateKind.CANCEL_REFUSED))
    assert "cannot be cancelled" in gateway.last_update().reasons[0].message
    assert gateway.results() == []


@proves("information required")
async def test_a_run_is_pending_while_the_system_asks_for_information(version: str) -> None:
    behaviour = completes_by_callback(0.05, asks_for=("/characteristic", "/testMeasure"))
    async with a_gateway_and_system(version, behaviour) as both:
        await both.gateway.process_request(a_run_document())
        gateway = await both.until(is_told(UpdateKind.PROGRESS))
        update = gateway.last_update()
    assert (update.state, [each.code for each in update.reasons]) == (RunState.PENDING, ["INFORMATION_REQUIRED"] * 2)
    assert [each.property_path for each in update.reasons] == ["/characteristic", "/testMeasure"]


@proves("answer")
async def test_the_change_that_brings_what_was_asked_for_reaches_the_system(version: str) -> None:
    run = a_run_document()
    behaviour = completes_by_callback(0.05, asks_for=("/characteristic", "/testMeasure"))
    answer = changed(
        run,
        characteristic=(Characteristic(name="speed", value=2),),
        test_measure=(RequestedMeasure(id="M1", metric_name="rate"),),
    )
    async with a_gateway_and_system(version, behaviour, patchable=[]) as both:
        await both.gateway.process_request(run)
        await both.until(is_told(UpdateKind.PROGRESS))
        await both.gateway.process_change(answer)
        gateway = await both.until(has_ended)
    assert UpdateKind.CHANGE_ACCEPTED in gateway.updates()
    result = gateway.results()[0]
    assert (result.state, result.reasons) == (RunState.COMPLETED, ())
    assert [each.id for each in result.test_measure] == ["M1"]


@proves("events")
async def test_events_lead_to_updates_and_the_result(version: str) -> None:
    async with a_gateway_and_system(version, completes_by_callback(0.05)) as both:
        await both.gateway.process_request(a_run_document(measures=("M1",)))
        gateway = await both.until(has_ended)
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.PROGRESS]
    assert gateway.results()[0].result is Result.PASS
    assert both.sent("GET") == []


@proves("thin events")
async def test_a_thin_event_leads_to_a_read(version: str) -> None:
    async with a_gateway_and_system(version, completes_by_callback(0.05, minimal_events=True)) as both:
        await both.gateway.process_request(a_run_document(measures=("M1",)))
        gateway = await both.until(has_ended)
    assert [each.id for each in gateway.results()[0].test_measure] == ["M1"]
    assert both.sent("GET")


@proves("status of the listener")
async def test_the_listener_answers_with_the_status_of_the_version(version: str) -> None:
    # A strict system of 5.0 sends an event again until it is answered with 204.
    async with a_gateway_and_system(version, completes_by_callback(0.02)) as both:
        await both.gateway.process_request(a_run_document())
        await both.until(has_ended)
    assert both.system.notifications.undelivered == []
    assert len(both.listener.published) == 2


@proves("events of cancellations")
@pytest.mark.parametrize("thin", [False, True])
async def test_events_of_cancellations_end_the_run_or_refuse(version: str, *, thin: bool) -> None:
    refused = stays_pending(None, cancelable=False, minimal_events=thin, cancel_after=0.05, cancel_status=202)
    async with a_gateway_and_system(version, refused) as both:
        await both.gateway.process_request(a_run_document())
        await both.gateway.process_cancellation("TR0001")
        assert is_told(UpdateKind.CANCEL_ACCEPTED)(both.gateway)
        gateway = await both.until(is_told(UpdateKind.CANCEL_REFUSED))
    assert gateway.results() == []
    assert bool(both.sent("GET", "/cancelServiceTest/")) is thin


@proves("cancellations without events")
@pytest.mark.parametrize("status", [201, 202])
async def test_a_task_that_fails_is_found_out_without_events(version: str, status: int) -> None:
    silent = stays_pending(None, cancelable=False, notifies=False, cancel_status=status)
    async with a_gateway_and_system(version, silent) as both:
        await both.gateway.process_request(a_run_document())
        await both.gateway.process_cancellation("TR0001")
        assert is_told(UpdateKind.CANCEL_ACCEPTED)(both.gateway)
        async with asyncio.timeout(DEADLINE):
            while not is_told(UpdateKind.CANCEL_REFUSED)(both.gateway):
                await both.gateway.advance(10, step=10)
    assert "cannot be cancelled" in both.gateway.last_update().reasons[0].message
    assert both.gateway.row().phase is Phase.ACCEPTED
    assert {each.headers["x-conversation-id"] for each in both.sent("GET", "/cancelServiceTest/")} == {
        both.gateway.row().request_id
    }


@proves("rule violations")
async def test_a_violated_rule_leads_to_fail(version: str) -> None:
    async with a_gateway_and_system(version, completes_immediately(violate_threshold=True)) as both:
        await both.gateway.process_request(a_run_document(measures=("M1",)))
        result = both.gateway.results()[0]
    assert (result.result, result.test_measure[0].rule_violation[0].name) == (Result.FAIL, "tooSlow")


@proves("refusal")
async def test_a_refused_run_says_what_is_wrong(version: str) -> None:
    async with a_gateway_and_system(version, rejects(REASON)) as both:
        await both.gateway.process_request(a_run_document())
        result = both.gateway.results()[0]
    assert (result.state, result.reasons[0].code, result.reasons[0].property_path) == (
        RunState.REJECTED,
        "outOfRange",
        "/characteristic/0/value",
    )


@proves("busy")
async def test_a_busy_system_is_asked_again_with_the_same_key(version: str) -> None:
    async with a_gateway_and_system(version, completes_immediately(busy_times=1)) as both:
        await both.gateway.process_request(a_run_document())
        keys = {request.idempotency_key for request in both.sent("POST")}
    assert (len(both.sent("POST")), len(keys)) == (2, 1)
    assert both.gateway.results()[0].state is RunState.COMPLETED


@proves("lost response")
async def test_a_run_whose_response_was_lost_exists_once(version: str) -> None:
    behaviour = completes_immediately(reset_times=1, accept_before_reset=True)
    async with a_gateway_and_system(version, behaviour) as both:
        await both.gateway.process_request(a_run_document())
    assert len(both.system.tests) == 1
    assert both.gateway.results()[0].state is RunState.COMPLETED
