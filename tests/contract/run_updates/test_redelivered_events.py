"""An event that is delivered again is recognised after any number of reports, on every run store.

tests/integration/store/test_postgres.py runs the same tests on PostgreSQL.
"""

# ruff: noqa: F811, F401 - a fixture is imported and requested by its name

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.runtime.handler import RetryLater
from router.responses import HttpResponse, Purpose
from schemas.lifecycle import RunChanged
from schemas.vocabulary import UpdateKind
from tests.builders.runs import a_document
from tests.contract.store.test_every_run_store import store
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.store.port import RunStore

REPORTS = 32  # as many as a row keeps; the stored form of a row must keep reports and events apart as well


async def a_run_that_is_out(store: RunStore) -> InMemoryGateway:
    gateway = InMemoryGateway(store=store, profile={"patchable": ["description"]})  # type: ignore[arg-type] # any run store
    await gateway.process_request(a_document())
    return gateway


async def reports_arrive(gateway: InMemoryGateway, state: str, count: int = REPORTS) -> None:
    for number in range(count):
        gateway.produce(gateway.names.inbound, gateway.a_callback("ext-TR0001", state=state), f"report {number}")
        await gateway.process_next(gateway.names.inbound)


async def test_a_cancellation_that_is_delivered_again_after_many_reports_is_not_sent_again(store: RunStore) -> None:
    gateway = await a_run_that_is_out(store)
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=202))
    await gateway.process_cancellation("TR0001")
    command = gateway.finished[-1]
    await reports_arrive(gateway, "inProgress")
    gateway.redeliver(command)
    await gateway.run_until_idle()
    assert len(gateway.system.calls_made(Purpose.CANCEL)) == 1
    # It was acknowledged before the next update was stored, so it is not published again.
    assert gateway.updates().count(UpdateKind.CANCEL_ACCEPTED) == 1


async def test_an_update_that_a_crash_left_unpublished_is_published_before_those_of_many_reports(
    store: RunStore,
) -> None:
    gateway = await a_run_that_is_out(store)
    changed = RunChanged(run=a_document(version=2, description="new"))
    gateway.produce(gateway.names.lifecycle, changed, "change")
    await gateway.process_next(gateway.names.lifecycle)
    gateway.publisher.fail_topic(gateway.names.inflight)
    assert isinstance(await gateway.attempt_next(gateway.names.dispatch("fibre-lab")), RetryLater)
    for number in range(REPORTS):
        report = gateway.a_callback("ext-TR0001", state="inProgress")
        gateway.produce(gateway.names.inbound, report, f"report {number}")
    assert isinstance(await gateway.attempt_next(gateway.names.inbound), RetryLater)
    gateway.publisher.restore_topic(gateway.names.inflight)
    await gateway.run_until_idle()
    updates = gateway.updates()
    assert updates.index(UpdateKind.CHANGE_ACCEPTED) < updates.index(UpdateKind.PROGRESS)


async def test_a_cancellation_is_recognised_after_many_reports_that_came_too_late(store: RunStore) -> None:
    gateway = await a_run_that_is_out(store)
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=202))
    await gateway.process_cancellation("TR0001")
    command = gateway.finished[-1]
    await gateway.process_callback("ext-TR0001", state="completed", testMeasure=[])
    await reports_arrive(gateway, "failed", 3 * REPORTS)  # each is announced as stale
    gateway.redeliver(command)
    await gateway.run_until_idle()
    assert UpdateKind.CANCEL_REFUSED not in gateway.updates()
