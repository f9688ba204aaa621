"""Two processes with different selectors over one store.

No request changes queues endlessly, and none is left behind.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from router.selection.thresholds import window_at
from schemas.vocabulary import Phase, UpdateKind
from tests.builders.runs import a_document
from tests.harness.gateway import InMemoryGateway, a_decider
from tests.unit.routing.waiting.test_release import HOUR, INPUTS

if TYPE_CHECKING:
    from consumers.routing.waiting.release import WaitingQueueReleaser

SECOND = timedelta(seconds=1)
WAITING, ACCEPTED = UpdateKind.WAITING, UpdateKind.ACCEPTED


def a_row(name: str, order: int, most: int | None = 1, spec: str = "-") -> str:
    threshold = f", threshold: {{max: {most}, period: PT1H}}" if most else ""
    return f'  - {{id: {name}, order: {order}, when: {{spec: "{spec}"}}, then: {{spoke: fibre-lab}}{threshold}}}\n'


class RoutingProcess:
    """A process with its own selector over the store, the topics and the clock of another."""

    def __init__(self, *rows: str, beside: InMemoryGateway | None = None) -> None:
        decide = a_decider(INPUTS + "".join(rows))
        shared = {} if beside is None else {"store": beside.store, "publisher": beside.publisher, "clock": beside.clock}
        self.gateway = InMemoryGateway(decide=decide, **shared)  # type: ignore[arg-type] # fields of a gateway
        self.releaser: WaitingQueueReleaser = self.gateway.waiting_release

    def reads(self, *rows: str) -> None:
        """Replace the selector, as when one is published."""
        restarted = InMemoryGateway(
            store=self.gateway.store,
            publisher=self.gateway.publisher,
            clock=self.gateway.clock,
            decide=a_decider(INPUTS + "".join(rows)),
        ).waiting_release
        self.releaser.router, self.releaser.decider, self.releaser.threshold_cache = (
            restarted.router,
            restarted.decider,
            restarted.threshold_cache,
        )


async def advance_seconds(clock: InMemoryGateway, seconds: int, *processes: RoutingProcess) -> None:
    """Advance the clock, and let each of these processes release requests every second."""
    for _ in range(seconds):
        clock.clock.at += SECOND
        for process in processes:
            await process.releaser.release_due()


async def a_waiting_queue(*run_ids: str, rows: tuple[str, ...] = (a_row("OLD", 1),)) -> RoutingProcess:
    """Use a definition up with run A, then queue these runs."""
    old = RoutingProcess(*rows)
    for run_id in ("A", *run_ids):
        await old.gateway.process_request(a_document(run_id))
    assert await old.gateway.store.waiting_queue.read_lengths()
    await advance_seconds(old.gateway, 1, old)
    return old


def are_decided(process: RoutingProcess, *run_ids: str) -> list[bool]:
    return [process.gateway.row(run_id).decision is not None for run_id in run_ids]


async def use_up_other_definition(process: RoutingProcess) -> None:
    """Use up the definition of the other process."""
    await process.gateway.process_request(a_document("A2"))
    assert process.gateway.row("A2").phase is Phase.ACCEPTED


def waiting_updates(process: RoutingProcess, run_id: str) -> int:
    return process.gateway.distinct_updates(run_id).count(WAITING)


@pytest.mark.parametrize("order", [1, -1])
async def test_two_processes_with_different_selectors_do_not_requeue_requests_endlessly(order: int) -> None:
    old = await a_waiting_queue(*"BCD")
    new = RoutingProcess(a_row("NEW", 1), beside=old.gateway)
    await use_up_other_definition(new)
    await advance_seconds(old.gateway, 120, *(old, new)[::order])
    assert {run_id: waiting_updates(old, run_id) for run_id in "BCD"} == dict.fromkeys("BCD", 2)
    assert await old.gateway.store.waiting_queue.read_lengths() == {("s#NEW",): 3}


async def test_requests_that_share_some_definitions_are_not_requeued_endlessly_either() -> None:
    old = await a_waiting_queue("B", "C", rows=(a_row("OLD", 1),))
    new = RoutingProcess(a_row("OLD", 1), a_row("NEW", 2), beside=old.gateway)
    await use_up_other_definition(new)
    await advance_seconds(old.gateway, 60, old, new)
    old.gateway.clock.at += HOUR
    await advance_seconds(old.gateway, 60, old, new)
    assert [waiting_updates(old, run_id) for run_id in "BC"] == [2, 2]
    assert are_decided(old, *"BC") == [True, True]


async def test_a_later_request_to_the_old_process_is_reported_once_and_released_by_either() -> None:
    old = await a_waiting_queue("B")
    new = RoutingProcess(a_row("NEW", 1), beside=old.gateway)
    await use_up_other_definition(new)
    await advance_seconds(old.gateway, 5, old, new)
    await old.gateway.process_request(a_document("C"))
    await advance_seconds(old.gateway, 300, old, new)
    assert waiting_updates(old, "C") == 1
    assert old.gateway.row("C").waits_for == ("s#OLD",)
    old.gateway.clock.at += HOUR
    await advance_seconds(old.gateway, 2, old, new)
    assert are_decided(old, *"BC") == [True, True]


async def test_queued_requests_are_sent_in_order_after_the_old_process_has_ended() -> None:
    old = await a_waiting_queue("B", "C")
    new = RoutingProcess(a_row("NEW", 1), beside=old.gateway)
    await use_up_other_definition(new)
    await advance_seconds(old.gateway, 90, old, new)
    await old.gateway.process_request(a_document("D"))  # the last action of the old process
    await new.gateway.process_request(a_document("E"))
    sent = []
    for _ in range(4):
        new.gateway.clock.at += HOUR
        await advance_seconds(new.gateway, 2, new)
        await new.gateway.run_until_idle()
        sent.append(new.gateway.system.posted_names()[-1])
    assert sent == [f"Line test {run_id}" for run_id in "BCDE"]
    assert await new.gateway.store.waiting_queue.read_lengths() == {}
    assert {run_id: waiting_updates(new, run_id) for run_id in "BCDE"} == {"B": 2, "C": 2, "D": 1, "E": 1}


async def test_a_new_request_waits_behind_those_queued_by_a_process_that_has_ended() -> None:
    old = await a_waiting_queue("B")
    new = RoutingProcess(a_row("NEW", 1), beside=old.gateway)
    await use_up_other_definition(new)
    await advance_seconds(old.gateway, 5, new)
    await old.gateway.process_request(a_document("C"))
    await advance_seconds(old.gateway, 5, new)
    for _ in range(2):  # B and C, but not D
        new.gateway.clock.at += HOUR
        await new.gateway.process_request(a_document("D"))
        await advance_seconds(new.gateway, 2, new)
    assert are_decided(new, *"BCD") == [True, True, False]


async def test_a_request_queued_elsewhere_for_a_removed_threshold_is_sent() -> None:
    old = await a_waiting_queue("B")
    new = RoutingProcess(a_row("OLD", 1, None), beside=old.gateway)
    await advance_seconds(old.gateway, 1, new)
    await old.gateway.process_request(a_document("C"))
    await advance_seconds(old.gateway, 40, new)
    assert are_decided(old, *"BC") == [True, True]


async def test_a_request_that_matches_a_free_definition_is_sent_although_others_in_its_queue_wait() -> None:
    old = await a_waiting_queue("B")
    new = RoutingProcess(a_row("NEW", 1, 1, "fibre-line"), a_row("FREE", 2, 9, "moon-line"), beside=old.gateway)
    await use_up_other_definition(new)
    await advance_seconds(old.gateway, 1, new)
    await old.gateway.process_request(a_document("C"))
    await advance_seconds(old.gateway, 1, new)
    await old.gateway.process_request(a_document("D", spec="moon-line"))
    await advance_seconds(old.gateway, 40, new)
    assert are_decided(old, *"BCD") == [False, False, True]


async def test_a_rolling_deployment_reports_each_request_at_most_twice_and_exceeds_no_threshold() -> None:
    ids = [f"R{n:02}" for n in range(20)]
    old = await a_waiting_queue(*ids, rows=(a_row("OLD", 1, 2),))
    olds = [old, RoutingProcess(a_row("OLD", 1, 2), beside=old.gateway)]
    news = [RoutingProcess(a_row("NEW", 1, 3), beside=old.gateway) for _ in range(3)]
    for started in (1, 2, 3):
        await advance_seconds(old.gateway, 600, *olds, *news[:started])
    assert max(waiting_updates(old, run_id) for run_id in ids) <= 2
    for _ in range(8):
        old.gateway.clock.at += HOUR
        await advance_seconds(old.gateway, 2, *news)
    assert all(are_decided(old, *ids))
    assert max(waiting_updates(old, run_id) for run_id in ids) <= 2
    uses = Counter(
        (request.decision.selector.partition("#")[2], window_at(HOUR, request.created_at).start)
        for request in old.gateway.store.requests.values()
    )
    assert max(uses.values()) <= 3


async def test_a_published_selector_is_applied_to_all_waiting_requests_at_once() -> None:
    old = await a_waiting_queue("B", "C")
    await advance_seconds(old.gateway, 40, old)
    old.reads(a_row("NEW", 1))
    await advance_seconds(old.gateway, 1, old)
    assert old.gateway.row("B").phase is Phase.ROUTED
    assert old.gateway.row("C").waits_for == ("s#NEW",)
    assert waiting_updates(old, "C") == 2


async def test_a_waiting_request_is_not_reported_again_when_another_child_arrives() -> None:
    old = await a_waiting_queue("B")
    root = a_document("G", spec="fibre-tree", child_run_ids=("G-1",))
    for run in (root, a_document("G-1", parent="G")):
        await old.gateway.process_request(run)
    await old.gateway.process_change(root.model_copy(update={"version": 2, "child_run_ids": ("G-1", "G-2")}))
    await old.gateway.process_request(a_document("G-2", parent="G"))
    assert [waiting_updates(old, run_id) for run_id in ("G", "G-1", "G-2")] == [1, 1, 1]
    assert [old.gateway.row(run_id).phase for run_id in ("G", "G-1", "G-2")] == [Phase.WAITING] * 3
