"""After the run store was lost, an event that is read again leads to a look-up before it leads to a POST."""

from __future__ import annotations

import pytest

from router.responses import Purpose
from schemas.lifecycle import RunRequested
from schemas.vocabulary import Phase
from tests.builders.runs import a_document
from tests.fakes.external_system import CallFault
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway


async def a_gateway_without_its_store(*run_ids: str) -> InMemoryGateway:
    """Return a gateway that sent these runs and lost its store."""
    gateway = InMemoryGateway()
    for run_id in run_ids:
        await gateway.process_request(a_document(run_id))
    gateway.store = InMemoryRunStore()
    gateway.may_repeat = lambda record: record.offset <= 1_000_000
    return gateway


async def test_a_run_that_the_system_has_is_adopted() -> None:
    gateway = await a_gateway_without_its_store("TR0001")
    await gateway.process_request(a_document())
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    assert (gateway.row().phase, gateway.row().external_id) == (Phase.ACCEPTED, "ext-TR0001")


async def test_a_run_that_the_system_never_got_is_sent_once_that_is_settled() -> None:
    gateway = await a_gateway_without_its_store("TR0009")
    began = gateway.clock.at
    await gateway.process_request(a_document("TR0009"))
    await gateway.process_request(a_document())
    assert [name.split()[-1] for name in gateway.system.posted_names()] == ["TR0009", "TR0001"]
    assert (gateway.clock.at - began).total_seconds() >= 60
    assert gateway.row().phase is Phase.ACCEPTED


async def test_a_look_up_that_proves_nothing_leads_to_no_post() -> None:
    gateway = await a_gateway_without_its_store("TR0001")
    gateway.system.plan(Purpose.LOOK_UP, *[CallFault.RESPONSE_LOST] * 30)
    await gateway.process_request(a_document())
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


async def test_a_run_that_was_cancelled_is_not_sent_again() -> None:
    gateway = await a_gateway_without_its_store("TR0001")
    gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document()), "again")
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.process_cancellation("TR0001")
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


@pytest.mark.parametrize("spec", ["fibre-tree", "fibre-bundle"])
@pytest.mark.parametrize("names_children", [False, True])
async def test_a_hierarchy_that_the_system_has_is_not_sent_again(names_children: bool, spec: str) -> None:  # noqa: FBT001 - a parameter
    child = a_document("TR2", root="TR1", parent="TR1")
    children = {"child_run_ids": ("TR2",)} if names_children else {"children": (child,)}
    runs = [a_document("TR1", spec=spec, **children), *([child] if names_children else [])]
    gateway = InMemoryGateway()
    for run in runs:
        await gateway.process_request(run)
    sent = len(gateway.system.calls_made(Purpose.SEND))
    gateway.store, gateway.may_repeat = InMemoryRunStore(), lambda _: True
    for run in runs:
        await gateway.process_request(run)
    assert len(gateway.system.calls_made(Purpose.SEND)) == sent > 0
    assert gateway.row("TR2").phase is Phase.ACCEPTED


async def test_events_that_are_recorded_later_are_sent_at_once() -> None:
    gateway = await a_gateway_without_its_store()
    gateway.may_repeat = lambda _: False
    await gateway.process_request(a_document())
    assert gateway.system.calls_made(Purpose.LOOK_UP) == []
