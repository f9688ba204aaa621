"""Cancelled, removed or expired runs of a waiting hierarchy affect only the runs below them."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from consumers.run_updates.acknowledgements import Acknowledgements
from consumers.store.port import ConflictError, StoreUnavailableError
from producers.publisher import RecordTooLargeError
from schemas.lifecycle import RunCancelled, RunChanged
from schemas.results import RunUpdate
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import a_document, a_tree
from tests.harness.crashing_gateway import CrashingGateway, CrashPoint
from tests.harness.gateway import InMemoryGateway, a_decider
from tests.unit.routing.waiting.test_release import FIBRE, a_selector, a_waiting_queue, an_hour_later, release_round

if TYPE_CHECKING:
    from schemas.catalogue import EventData

ROOT = a_document("G", spec="fibre-tree", child_run_ids=("G-1", "G-2", "G-3"))
G1, G2, G3 = (a_document(f"G-{n}", parent="G", order=n) for n in (1, 2, 3))
BELOW = a_document("G-2", root="G", parent="G-1", order=2)
HIERARCHY = ("G", "G-1", "G-2", "G-3")
HOUR = timedelta(hours=1)


def phases(gateway: InMemoryGateway, *run_ids: str) -> list[Phase]:
    return [gateway.row(run_id).phase for run_id in run_ids or HIERARCHY]


def codes(gateway: InMemoryGateway, run_id: str) -> list[str]:
    return [reason.code for reason in gateway.last_update(run_id).reasons]


async def all_completed(gateway: InMemoryGateway, *run_ids: str) -> dict[str, int]:
    for run_id in run_ids:
        await gateway.process_callback(f"ext-{run_id}", state="completed", testMeasure=[])
    return gateway.request_results()[-1].counts


# Cancelled children


async def test_a_separately_requested_child_is_cancelled_alone_and_the_others_are_sent_in_order() -> None:
    gateway = await a_waiting_queue(ROOT, G1, G2, G3)
    await gateway.process_cancellation("G-1", root="G")
    assert phases(gateway) == [Phase.WAITING, Phase.CANCELLED, Phase.WAITING, Phase.WAITING]
    assert [reason.code for reason in gateway.results("G-1")[0].reasons] == ["CANCELLED_BEFORE_SENDING"]
    await an_hour_later(gateway)
    assert gateway.system.posted_names()[1:] == ["Line test G", "Line test G-2", "Line test G-3"]
    assert await all_completed(gateway, "G", "G-2", "G-3") == {"completed": 3, "cancelled": 1}
    assert not gateway.dead_lettered


async def test_runs_below_a_cancelled_child_are_blocked_and_get_a_result() -> None:
    gateway = await a_waiting_queue(ROOT, G1, BELOW, G3)
    await gateway.process_cancellation("G-1", root="G")
    await gateway.process_cancellation("G-1", root="G")
    assert phases(gateway) == [Phase.WAITING, Phase.CANCELLED, Phase.BLOCKED, Phase.WAITING]
    assert UpdateKind.BLOCKED in gateway.updates("G-2")
    assert gateway.results("G-2")[0].state is RunState.CANCELLED
    await an_hour_later(gateway)
    assert gateway.system.posted_names()[1:] == ["Line test G", "Line test G-3"]
    assert not gateway.dead_lettered


async def test_a_separately_requested_run_below_a_cancelled_child_ends_with_it() -> None:
    carried = a_document("G-1", parent="G", order=1)
    root = a_document("G", spec="fibre-tree", children=(carried,), child_run_ids=("G-2", "G-3"))
    gateway = await a_waiting_queue(root, BELOW, G3)
    await gateway.process_cancellation("G-1", root="G")
    assert phases(gateway) == [Phase.WAITING, Phase.CANCELLED, Phase.BLOCKED, Phase.WAITING]
    await an_hour_later(gateway)
    assert gateway.system.posted_names()[1:] == ["Line test G", "Line test G-3"]


async def test_a_child_is_cancelled_while_others_are_still_missing() -> None:
    gateway = InMemoryGateway()
    for run in (ROOT, G1, G2):
        await gateway.process_request(run)
    await gateway.process_cancellation("G-1", root="G")
    await gateway.process_request(G3)
    assert gateway.system.posted_names() == ["Line test G", "Line test G-2", "Line test G-3"]


async def test_a_child_that_was_cancelled_before_its_root_came_is_not_waited_for() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(G1)
    await gateway.process_cancellation("G-1", root="G")
    for run in (ROOT, G2, G3, ROOT):
        await gateway.process_request(run)
    assert gateway.system.posted_names() == ["Line test G", "Line test G-2", "Line test G-3"]
    assert not gateway.dead_lettered


async def test_a_redelivered_request_of_a_tree_with_a_cancelled_child_changes_nothing() -> None:
    gateway = await a_waiting_queue(ROOT, G1, G2, G3)
    await gateway.process_cancellation("G-1", root="G")
    await gateway.process_request(ROOT, "again")
    await an_hour_later(gateway)
    await gateway.process_request(ROOT, "and again")
    assert not gateway.dead_lettered


async def test_a_request_with_other_children_for_a_waiting_root_is_a_dead_letter() -> None:
    gateway = await a_waiting_queue(ROOT, G1, G2, G3)
    await gateway.process_cancellation("G-1", root="G")
    await gateway.process_request(ROOT.model_copy(update={"child_run_ids": ("G-2", "G-4")}), "other")
    assert gateway.dead_letter_codes() == ["RUN_EXISTS"]


@pytest.mark.parametrize("gathered", [True, False])
async def test_a_change_that_still_has_a_cancelled_child_is_refused_for_it_and_the_others_are_sent(
    gathered: bool,  # noqa: FBT001 - both values
) -> None:
    runs = (
        (ROOT, G1, G2, G3) if gathered else (ROOT.model_copy(update={"children": (G1, G2, G3), "child_run_ids": ()}),)
    )
    gateway = await a_waiting_queue(*runs)
    await gateway.process_cancellation("G-1", root="G")
    await gateway.process_change(runs[0].model_copy(update={"version": 2, "description": "new"}))
    assert codes(gateway, "G-1") == ["CHILD_REMOVED"]
    await an_hour_later(gateway)
    assert gateway.system.posted_names()[1:] == ["Line test G", "Line test G-2", "Line test G-3"]
    sent = gateway.row("G").sent
    assert sent is not None
    assert sent.description == "new"


async def test_a_tree_whose_cancelled_child_was_named_again_can_be_cancelled_completely() -> None:
    gateway = await a_waiting_queue(a_tree("T", 2))
    await gateway.process_cancellation("T-1", root="T")
    await gateway.process_change(a_tree("T", 2, version=2))
    await gateway.process_cancellation("T")
    assert phases(gateway, "T", "T-1", "T-2") == [Phase.CANCELLED] * 3
    assert not gateway.retries


async def test_a_tree_with_a_child_that_was_also_requested_separately_is_cancelled_completely() -> None:
    tree = a_tree("T", 2)
    gateway = await a_waiting_queue(tree)
    await gateway.process_request(tree.children[0])
    await gateway.process_cancellation("T")
    assert phases(gateway, "T", "T-1", "T-2") == [Phase.CANCELLED] * 3
    assert gateway.request_results()[-1].counts == {"cancelled": 3}
    assert not gateway.retries


async def test_the_result_of_a_cancelled_root_counts_separately_requested_children() -> None:
    gateway = await a_waiting_queue(ROOT, G1, BELOW, G3)
    await gateway.process_cancellation("G-1", root="G")
    await gateway.process_cancellation("G")
    assert phases(gateway) == [Phase.CANCELLED, Phase.CANCELLED, Phase.BLOCKED, Phase.CANCELLED]
    assert gateway.request_results()[-1].counts == {"cancelled": 4}
    assert {run_id: len(gateway.results(run_id)) for run_id in HIERARCHY} == dict.fromkeys(HIERARCHY, 1)


async def test_a_child_of_a_given_up_root_is_cancelled_and_the_rest_can_still_be_completed() -> None:
    gateway = await a_waiting_queue(ROOT, G1, G2, G3)
    gateway.decide = a_decider(a_selector(1, spec="moon-line"))
    await release_round(gateway)
    await gateway.process_cancellation("G-1", root="G")
    gateway.decide = a_decider(a_selector(2, spec=FIBRE))
    await gateway.process_change(ROOT.model_copy(update={"version": 2}))
    assert gateway.system.posted_names()[1:] == ["Line test G", "Line test G-2", "Line test G-3"]


async def test_a_child_that_a_change_removes_from_a_waiting_root_gets_a_result() -> None:
    gateway = await a_waiting_queue(ROOT, G1, G2, G3)
    change = ROOT.model_copy(update={"version": 2, "child_run_ids": ("G-2", "G-3")})
    await gateway.process_change(change)
    assert phases(gateway) == [Phase.WAITING, Phase.CANCELLED, Phase.WAITING, Phase.WAITING]
    assert [result.state for result in gateway.results("G-1")] == [RunState.CANCELLED]
    await an_hour_later(gateway)
    assert gateway.system.posted_names()[1:] == ["Line test G", "Line test G-2", "Line test G-3"]


async def test_a_child_cancelled_while_its_root_is_released_gives_no_run_up() -> None:
    gateway = await a_waiting_queue(ROOT, G1, G2, G3)
    gateway.clock.at += HOUR
    turns, first = gateway.waiting_release, gateway.store.waiting_queue.read_first

    async def cancel_meanwhile(*arguments: object) -> object:
        gateway.store.waiting_queue.read_first = first  # type: ignore[method-assign] # only the first call
        found = await first(*arguments)  # type: ignore[arg-type] # the original arguments
        await gateway.process_cancellation("G-1", root="G")
        return found

    gateway.threshold_cache.replace_queue({"s#S1"})
    gateway.store.waiting_queue.read_first = cancel_meanwhile  # type: ignore[method-assign, assignment] # forces the race
    await turns.release_due()
    await gateway.run_until_idle()
    assert UpdateKind.FALLOUT not in gateway.updates("G")
    assert gateway.system.posted_names()[1:] == ["Line test G", "Line test G-2", "Line test G-3"]


# Expired roots


async def test_children_of_a_root_that_is_given_up_on_release_are_given_up_with_it() -> None:
    gateway = await a_waiting_queue(ROOT, G1, G2, G3)
    gateway.decide = a_decider(a_selector(1, spec="moon-line"))
    await release_round(gateway)
    assert phases(gateway) == [Phase.FALLOUT] * 4
    assert [codes(gateway, run_id) for run_id in HIERARCHY] == [["NO_ROW_MATCHES"]] * 4
    assert [run_id for run_id, _ in given_up_runs(gateway)] == ["G-1", "G-2", "G-3", "G"]
    assert {gateway.row(run_id).reasons for run_id in HIERARCHY} == {()}


def given_up_runs(gateway: InMemoryGateway) -> list[tuple[str, str]]:
    """Return the ids of the runs that were reported as given up, and of the events that report it."""
    events = [(event.id, event.data) for event in gateway.published_events()]
    return [(data.run_id, i) for i, data in events if isinstance(data, RunUpdate) and data.kind is UpdateKind.FALLOUT]


async def test_children_of_a_root_with_a_missing_new_child_are_given_up_with_it_and_sent_when_it_comes() -> None:
    gateway = await a_waiting_queue(ROOT, G1, G2, G3)
    await gateway.process_change(ROOT.model_copy(update={"version": 2, "child_run_ids": ("G-1", "G-2", "G-3", "G-4")}))
    await an_hour_later(gateway)
    assert phases(gateway) == [Phase.FALLOUT] * 4
    assert codes(gateway, "G-1") == ["CHILDREN_MISSING"]
    await gateway.process_request(a_document("G-4", parent="G", order=4))
    assert gateway.system.posted_names()[1:] == [f"Line test {name}" for name in (*HIERARCHY, "G-4")]


async def test_children_of_a_root_whose_change_no_table_decides_are_given_up_with_it_each_time() -> None:
    gateway = await a_waiting_queue(ROOT, G1, G2, G3)
    gateway.decide = a_decider(a_selector(1, spec="moon-line"))
    gateway.produce(gateway.names.lifecycle, RunChanged(run=ROOT.model_copy(update={"version": 2})), "change")
    for _ in range(2):  # the record is delivered again
        await gateway.attempt_next(gateway.names.lifecycle)
    assert phases(gateway) == [Phase.FALLOUT] * 4
    assert len(given_up_runs(gateway)) == 4
    gateway.acknowledgements = Acknowledgements()  # another process does not know that Kafka has them
    await gateway.attempt_next(gateway.names.lifecycle)
    given_up = given_up_runs(gateway)
    assert len(given_up) == 8
    assert len({*given_up}) == 4


async def test_a_separately_requested_child_that_its_root_now_contains_is_given_up_with_it() -> None:
    gateway = await a_waiting_queue(ROOT, G1, G2, G3)
    await gateway.process_change(
        ROOT.model_copy(update={"version": 2, "children": (G1,), "child_run_ids": ("G-2", "G-3")})
    )
    await an_hour_later(gateway)
    assert phases(gateway) == [Phase.FALLOUT] * 4


async def test_a_crash_before_a_hierarchy_is_given_up_publishes_it_again_with_the_same_ids() -> None:
    gateway = await a_waiting_queue(ROOT, G1, G2, G3)
    gateway.decide = a_decider(a_selector(1, spec="moon-line"))
    gateway.store.problems.append(StoreUnavailableError("locked"))
    with pytest.raises(StoreUnavailableError):
        await gateway.waiting_release.release_due()
    assert phases(gateway) == [Phase.WAITING] * 4
    await release_round(gateway)
    assert phases(gateway) == [Phase.FALLOUT] * 4
    given_up = given_up_runs(gateway)
    assert (len(given_up), len({*given_up})) == (8, 4)


async def test_a_concurrent_update_of_one_run_keeps_its_hierarchy_queued_until_the_next_release() -> None:
    gateway = await a_waiting_queue(ROOT, G1, G2, G3)
    gateway.decide = a_decider(a_selector(1, spec="moon-line"))
    gateway.store.problems.append(ConflictError("moved"))
    await gateway.waiting_release.release_due()
    assert phases(gateway) == [Phase.WAITING] * 4
    await release_round(gateway)
    assert phases(gateway) == [Phase.FALLOUT] * 4


async def test_children_of_a_released_root_that_can_never_be_commanded_are_fallout_too() -> None:
    gateway = await a_waiting_queue(ROOT, G1, G2, G3)
    gateway.clock.at += HOUR
    gateway.publisher.fail_topic(gateway.names.dispatch("fibre-lab"), "too large", RecordTooLargeError)
    await gateway.waiting_release.release_due()
    assert phases(gateway) == [Phase.FALLOUT] * 4
    assert {*map(str, (codes(gateway, run_id) for run_id in HIERARCHY))} == {"['MESSAGE_TOO_LARGE']"}


async def test_a_tree_that_was_given_up_and_is_requested_again_is_sent_with_its_present_children() -> None:
    gateway = await a_waiting_queue("B")
    await gateway.process_change(a_document("B", version=2, spec="fibre-tree", child_run_ids=("B-1",)))
    await gateway.process_request(a_document("B-1", parent="B"))
    gateway.decide = a_decider(a_selector(1, spec="moon-line"))
    await release_round(gateway)
    assert phases(gateway, "B", "B-1") == [Phase.FALLOUT] * 2
    gateway.decide = a_decider(a_selector(2))
    await gateway.process_request(a_document("B"))
    assert gateway.system.posted_names()[1:] == ["Line test B", "Line test B-1"]


# Crashes


@pytest.mark.parametrize("redelivery", ["G-1", "G"])
async def test_a_crash_between_storing_and_publishing_a_cancellation_loses_no_result(redelivery: str) -> None:
    gateway = await a_waiting_queue(ROOT, G1, BELOW, G3)
    gateway.produce(gateway.names.lifecycle, RunCancelled(run_id=redelivery, root_run_id="G"), "cancel")
    gateway.publisher.fail_topic(gateway.names.results)
    gateway.publisher.fail_topic(gateway.names.inflight)
    await gateway.attempt_next(gateway.names.lifecycle)
    ended = [run_id for run_id in HIERARCHY if gateway.row(run_id).state is RunState.CANCELLED]
    assert ended == (["G-1", "G-2"] if redelivery == "G-1" else [*HIERARCHY])
    gateway.publisher.restore_topic(gateway.names.results)
    gateway.publisher.restore_topic(gateway.names.inflight)
    await gateway.run_until_idle()
    assert [run_id for run_id in HIERARCHY if gateway.results(run_id)] == ended
    assert (UpdateKind.BLOCKED in gateway.updates("G-2")) is (redelivery == "G-1")


async def test_a_crash_before_a_root_continues_without_its_misplaced_child_does_not_leave_it_behind() -> None:
    gateway = InMemoryGateway()
    for run in (G1, a_document("G-2", root="G", parent="nobody"), G3, ROOT):
        await gateway.process_request(run)
    assert phases(gateway) == [Phase.FALLOUT] * 4
    gateway.produce(gateway.names.lifecycle, RunCancelled(run_id="G-2", root_run_id="G"), "cancel")
    gateway.publisher.fail_topic(gateway.names.results)
    await gateway.attempt_next(gateway.names.lifecycle)
    assert gateway.row("G-2").state is RunState.CANCELLED
    gateway.publisher.restore_topic(gateway.names.results)
    await gateway.run_until_idle()
    assert gateway.system.posted_names() == ["Line test G", "Line test G-1", "Line test G-3"]
    assert gateway.dead_letter_codes() == ["HIERARCHY_PARENT_MISSING"]


async def test_a_crash_between_storing_and_publishing_a_change_that_removes_a_child_loses_no_result() -> None:
    gateway = await a_waiting_queue(ROOT, G1, G2, G3)
    change = RunChanged(run=ROOT.model_copy(update={"version": 2, "child_run_ids": ("G-2", "G-3")}))
    gateway.produce(gateway.names.lifecycle, change, "change")
    gateway.publisher.fail_topic(gateway.names.results)
    await gateway.attempt_next(gateway.names.lifecycle)
    assert phases(gateway, "G-1") == [Phase.CANCELLED]
    gateway.publisher.restore_topic(gateway.names.results)
    await gateway.run_until_idle()
    assert [result.state for result in gateway.results("G-1")] == [RunState.CANCELLED]


SCENARIOS: dict[str, tuple[RunCancelled | RunChanged | None, str]] = {
    "a child is cancelled": (RunCancelled(run_id="G-1", root_run_id="G"), FIBRE),
    "all are cancelled": (RunCancelled(run_id="G", root_run_id="G"), FIBRE),
    "a child is removed": (
        RunChanged(run=ROOT.model_copy(update={"version": 2, "child_run_ids": ("G-3",)})),
        FIBRE,
    ),
    "all are given up on release": (None, "moon-line"),
    "all are given up by a change": (RunChanged(run=ROOT.model_copy(update={"version": 2})), "moon-line"),
}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_crash_at_any_point_does_not_change_how_a_waiting_hierarchy_ends(scenario: str, after: bool) -> None:  # noqa: FBT001 - both values
    undisturbed = await run_scenario(scenario, CrashPoint())
    for moment in range(undisturbed.crash_point.actions):
        died = await run_scenario(scenario, CrashPoint(at_action=moment, after=after))
        assert died.crash_point.crashed
        assert final_state(died) == final_state(undisturbed)
    assert Phase.WAITING not in phases(undisturbed)


async def run_scenario(scenario: str, crash_point: CrashPoint) -> CrashingGateway:
    """Queue a hierarchy, then process the scenario's event through the crash."""
    event, spec = SCENARIOS[scenario]
    no_crash = CrashPoint()
    gateway = CrashingGateway(no_crash, {}, 0, decide=a_decider(a_selector(1)))
    for run in (a_document("A"), ROOT, G1, BELOW, G3):
        await gateway.process_request(run)
    crashing: list[Any] = [gateway, gateway.store, gateway.publisher, gateway.system]
    for part in crashing:
        part.crash_point = crash_point
    gateway.decide = a_decider(a_selector(1, spec=spec))
    if event is not None:
        gateway.produce(gateway.names.lifecycle, event, "the event")
        await gateway.run_through_crash()
    await gateway.advance_one_hour()
    return gateway


def final_state(gateway: CrashingGateway) -> dict[str, object]:
    rows = {run_id: (row.phase, row.state, row.waits_for, row.request_id) for run_id, row in gateway.store.runs.items()}
    return {
        "published": published_contents(gateway),
        "rows": rows,
        "dead letters": {*gateway.dead_letter_codes()},
        "posted": {*gateway.system.posted_names()},
    }


def published_contents(gateway: CrashingGateway) -> Counter[str]:
    """Count the contents, without time and revision, which differ after a crash; one id counts once, and has one."""
    by_id: dict[str, EventData] = {}
    for event in gateway.published_events():
        assert by_id.setdefault(event.id, event.data).model_dump(exclude={"occurred_at"}) == event.data.model_dump(
            exclude={"occurred_at"}
        )
    changing = {"occurred_at", "revision"}
    return Counter([data.model_dump_json(exclude=changing) for data in by_id.values() if not is_waiting(data)])


def is_waiting(event: object) -> bool:
    return isinstance(event, RunUpdate) and event.kind is UpdateKind.WAITING
