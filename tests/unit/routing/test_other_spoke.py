"""A changed run stays at the system to which it was routed, also where the selector would choose another one by now."""

from __future__ import annotations

import pytest

from router.responses import HttpResponse, Purpose
from schemas.lifecycle import RunChanged, RunRequested
from schemas.results import RunUpdate
from schemas.vocabulary import RunState, UpdateKind
from tests.builders.runs import a_document, a_tree
from tests.fakes.external_system import body_of
from tests.harness.gateway import SELECTOR, InMemoryGateway, a_decider

PATCHABLE = {"patchable": ["description", "testSpecification"]}
BY_PRIORITY = """
selector: spoke-selector
inputs: [{name: priority, path: priority, type: number}, {name: parents, path: has_children, type: boolean}]
rows:
  - {id: S1, order: 1, when: {priority: 1}, then: {spoke: moon-lab}}
  - {id: S2, order: 2, when: {}, then: {spoke: fibre-lab}}
"""
PARENTS_FIRST = BY_PRIORITY.replace(
    "rows:", "rows:\n  - {id: S0, order: 0, when: {parents: true}, then: {spoke: fibre-lab}}"
)


async def a_run_at_the_lab(**profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=PATCHABLE | profile)
    await gateway.process_request(a_document(description="first"))
    return gateway


def updates_of_version(gateway: InMemoryGateway, version: int) -> dict[UpdateKind, RunUpdate]:
    published = [event.data for event in gateway.published_events()]
    return {one.kind: one for one in published if isinstance(one, RunUpdate) and one.version == version}


async def test_the_field_that_moves_a_run_is_refused_with_both_systems_and_the_rest_is_made() -> None:
    gateway = await a_run_at_the_lab()
    await gateway.process_change(a_document(version=2, description="second", spec="moon-line"))
    (patch,) = gateway.system.calls_made(Purpose.CHANGE)
    assert body_of(patch) == {"description": "second"}
    told = updates_of_version(gateway, 2)
    (reason,) = told[UpdateKind.CHANGE_REFUSED].reasons
    assert (reason.code, reason.property_path) == ("OTHER_SPOKE", "/testSpecification")
    assert all(name in reason.message for name in ("moon-lab", "fibre-lab", "spoke-selector@", "#S2"))
    assert told[UpdateKind.CHANGE_ACCEPTED].revision == told[UpdateKind.CHANGE_REFUSED].revision
    assert gateway.row().reasons == ()


async def test_a_refused_move_is_named_with_each_later_change_and_blocks_none() -> None:
    gateway = await a_run_at_the_lab()
    for version in (2, 3):
        await gateway.process_change(a_document(version=version, description=f"number {version}", spec="moon-line"))
        assert [r.code for r in updates_of_version(gateway, version)[UpdateKind.CHANGE_REFUSED].reasons] == [
            "OTHER_SPOKE"
        ]
    await gateway.process_change(a_document(version=4, description="number 4"))
    assert updates_of_version(gateway, 4).keys() == {UpdateKind.CHANGE_ACCEPTED}
    patches = [body_of(call) for call in gateway.system.calls_made(Purpose.CHANGE)]
    assert patches == [{"description": f"number {version}"} for version in (2, 3, 4)]


async def test_a_run_is_not_replaced_by_another_post_for_a_change_that_moves_it() -> None:
    gateway = await a_run_at_the_lab(reposted=["relatedService"])
    await gateway.process_change(a_document(version=2, description="second", spec="moon-line", service="PI2"))
    told = updates_of_version(gateway, 2)[UpdateKind.CHANGE_REFUSED].reasons
    assert [reason.property_path for reason in told] == ["/relatedService", "/testSpecification"]
    assert gateway.system.calls_made(Purpose.CANCEL) == []
    assert [body_of(call) for call in gateway.system.calls_made(Purpose.CHANGE)] == [{"description": "second"}]


async def test_a_run_that_is_being_replaced_is_not_posted_with_what_moves_it() -> None:
    gateway = await a_run_at_the_lab(reposted=["relatedService"])
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=202))
    gateway.produce(
        gateway.names.lifecycle, RunChanged(run=a_document(version=2, description="first", service="PI2")), "2"
    )
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.attempt(gateway.take_next(gateway.names.dispatch("fibre-lab")))
    moving = a_document(version=3, description="first", service="PI2", spec="moon-line")
    gateway.produce(gateway.names.lifecycle, RunChanged(run=moving), "3")
    await gateway.process_next(gateway.names.lifecycle)
    assert [reason.code for reason in updates_of_version(gateway, 3)[UpdateKind.CHANGE_REFUSED].reasons] == [
        "OTHER_SPOKE"
    ]
    assert gateway.row().requested.version == 2


async def test_a_run_that_was_not_accepted_yet_is_posted_as_it_was_ordered() -> None:
    gateway = InMemoryGateway(profile=PATCHABLE)
    gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document()), "r")
    await gateway.process_next(gateway.names.lifecycle)
    gateway.produce(gateway.names.lifecycle, RunChanged(run=a_document(version=2, spec="moon-line")), "c")
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.run_until_idle()
    assert [reason.code for reason in updates_of_version(gateway, 2)[UpdateKind.CHANGE_REFUSED].reasons] == [
        "OTHER_SPOKE"
    ]
    assert [body_of(call)["testSpecification"]["id"] for call in gateway.system.calls_made(Purpose.SEND)] == [
        "fibre-line"
    ]


async def test_a_selector_that_was_replaced_meanwhile_moves_no_run() -> None:
    gateway = await a_run_at_the_lab()
    gateway.decide = a_decider(SELECTOR.replace("fibre-lab", "moon-lab"))
    await gateway.process_change(a_document(version=2, description="second"))
    assert updates_of_version(gateway, 2).keys() == {UpdateKind.CHANGE_ACCEPTED}


@pytest.mark.parametrize("spec", ["nowhere", "unknown-line"])
async def test_a_change_for_which_the_selector_chooses_nothing_or_the_same_goes_to_the_system(spec: str) -> None:
    gateway = await a_run_at_the_lab()
    await gateway.process_change(a_document(version=2, description="first", spec=spec))
    assert updates_of_version(gateway, 2).keys() == {UpdateKind.CHANGE_ACCEPTED}


async def test_what_the_system_is_not_told_moves_no_run_and_its_result_says_so() -> None:
    gateway = InMemoryGateway(profile=PATCHABLE, decide=a_decider(BY_PRIORITY))
    await gateway.process_request(a_document())
    await gateway.process_change(a_document(version=2, priority=1))
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.PROGRESS, UpdateKind.CHANGE_ACCEPTED]
    await gateway.process_callback("ext-TR0001", state="completed")
    (result,) = gateway.results()
    assert [reason.code for reason in result.reasons] == ["OTHER_SPOKE"]


async def test_a_redelivered_change_is_told_once() -> None:
    gateway = await a_run_at_the_lab()
    for _ in range(2):
        await gateway.process_change(a_document(version=2, spec="moon-line"), "c")
    told = [event.id for event in gateway.published_events() if getattr(event.data, "kind", None) == "changeRefused"]
    assert len(set(told)) == 1


@pytest.mark.parametrize(("selector", "moves"), [(BY_PRIORITY, True), (PARENTS_FIRST, False)])
async def test_a_root_is_judged_with_the_children_that_it_has(selector: str, moves: bool) -> None:  # noqa: FBT001 - a parameter of a test
    gateway = InMemoryGateway(profile=PATCHABLE, decide=a_decider(selector))
    await gateway.process_request(a_tree(children=2))
    await gateway.process_change(a_tree(children=3, version=2, priority=1))
    assert len(gateway.system.posted_names()) == 4
    assert ("OTHER_SPOKE" in [reason.code for reason in gateway.row().reasons]) is moves
    assert gateway.row().state is RunState.ACKNOWLEDGED


async def test_a_child_stays_with_its_root() -> None:
    gateway = InMemoryGateway(profile=PATCHABLE)
    await gateway.process_request(a_tree(children=1))
    child = a_document("TR0001-1", spec="moon-line", parent="TR0001", order=1, version=2)
    await gateway.process_change(child)
    assert gateway.updates("TR0001-1") == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_ACCEPTED]
