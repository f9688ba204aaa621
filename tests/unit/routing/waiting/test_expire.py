"""An incomplete hierarchy is given up after the deadline with a reason, and can still be completed later."""

from __future__ import annotations

from datetime import timedelta

from consumers.store.port import StoreUnavailableError
from schemas.vocabulary import Phase, UpdateKind
from tests.builders.runs import a_document
from tests.harness.gateway import InMemoryGateway

ROOT = a_document(spec="fibre-tree", child_run_ids=("C1", "C2"))
C1, C2 = (a_document(run_id, parent="TR0001") for run_id in ("C1", "C2"))


async def an_expired_gateway(*runs: object) -> InMemoryGateway:
    gateway = InMemoryGateway()
    for run in runs:
        await gateway.process_request(run)  # type: ignore[arg-type] # documents
    gateway.clock.at += timedelta(seconds=301)
    return gateway


async def test_before_the_deadline_nothing_is_given_up() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(ROOT)
    assert await gateway.waiting_expiry.expire_overdue() == 0
    assert gateway.row().phase is Phase.CREATED


async def test_after_the_deadline_the_missing_children_are_named() -> None:
    gateway = await an_expired_gateway(ROOT, C1)
    await gateway.waiting_expiry.expire_overdue()
    update = gateway.last_update()
    assert (update.kind, update.phase) == (UpdateKind.FALLOUT, Phase.FALLOUT)
    (reason,) = update.reasons
    assert reason.code == "CHILDREN_MISSING"
    assert "C2" in reason.message
    assert "C1" not in reason.message
    assert gateway.row().phase is Phase.FALLOUT


async def test_a_child_without_its_root_is_given_up_as_well() -> None:
    gateway = await an_expired_gateway(C1)
    await gateway.waiting_expiry.expire_overdue()
    assert [reason.code for reason in gateway.last_update("C1").reasons] == ["ROOT_MISSING"]


async def test_what_was_given_up_is_not_given_up_again() -> None:
    gateway = await an_expired_gateway(ROOT, C1)
    assert await gateway.waiting_expiry.expire_overdue() == 2
    assert await gateway.waiting_expiry.expire_overdue() == 0


async def test_a_late_child_still_gets_the_hierarchy_sent() -> None:
    gateway = await an_expired_gateway(ROOT, C1)
    await gateway.waiting_expiry.expire_overdue()
    await gateway.process_request(C2)
    assert gateway.system.posted_names() == ["Line test TR0001", "Line test C1", "Line test C2"]
    assert gateway.row("C1").phase is Phase.ACCEPTED


async def test_a_hierarchy_that_was_given_up_can_be_cancelled() -> None:
    gateway = await an_expired_gateway(ROOT, C1)
    await gateway.waiting_expiry.expire_overdue()
    await gateway.process_cancellation("TR0001")
    assert gateway.row("C1").phase is gateway.row().phase is Phase.CANCELLED


async def test_a_crash_before_it_is_stored_publishes_it_again_with_the_same_id() -> None:
    gateway = await an_expired_gateway(ROOT)
    gateway.store.problems.append(StoreUnavailableError("locked"))
    try:
        await gateway.waiting_expiry.expire_overdue()
    except StoreUnavailableError:
        await gateway.waiting_expiry.expire_overdue()
    first, second = gateway.published_events()
    assert first.id == second.id
    assert gateway.row().phase is Phase.FALLOUT
