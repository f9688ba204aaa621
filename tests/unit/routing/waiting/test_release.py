"""A request whose matching definitions are all used up waits, is reported as waiting, and is sent in order."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from consumers.routing.child_rows import complete_hierarchy
from consumers.store.port import ConflictError, StoreUnavailableError
from producers.publisher import PublishError, RecordTooLargeError
from router.tables.explain.explanation import explanation_text
from schemas.commands import SendRun
from schemas.lifecycle import RunChanged, RunRequested
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import a_document, a_tree
from tests.harness.gateway import InMemoryGateway, a_decider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.store.port import RunStore
    from router.runs.run import RunRow
    from schemas.run_document import RunDocument

HOUR = timedelta(hours=1)
INPUTS = "selector: s\ninputs: [{name: spec, path: test_specification.id, type: string}]\nrows:\n"
FIBRE = '"not(moon-line)"'


def a_selector(first: int = 1, second: int | None = None, *, spec: str = FIBRE) -> str:
    """Return a selector with one definition with a threshold, or two for the same runs."""
    maxima = [(f"S{n}", most) for n, most in enumerate((first, second), start=1) if most is not None]
    rows = [
        f"  - {{id: {name}, order: {order}, when: {{spec: {spec}}}, then: {{spoke: fibre-lab}},"
        f" threshold: {{max: {most}, period: PT1H}}}}\n"
        for order, (name, most) in enumerate(maxima)
    ]
    return INPUTS + "".join(rows)


def with_moon_definition() -> InMemoryGateway:
    """Return a gateway with a definition for moon lines without a threshold, beside one with room for one run."""
    free = "  - {id: S9, order: 9, when: {spec: moon-line}, then: {spoke: fibre-lab}}\n"
    return InMemoryGateway(decide=a_decider(a_selector(1) + free))


def a_gateway(first: int = 1, second: int | None = None, **more: Any) -> InMemoryGateway:  # noqa: ANN401 - fields of a gateway
    return InMemoryGateway(decide=a_decider(a_selector(first, second)), **more)


async def a_waiting_queue(*runs: RunDocument | str, first: int = 1) -> InMemoryGateway:
    """Use a definition up with run A, then queue these runs."""
    gateway = a_gateway(first, profile={"patchable": ["description"]})
    for run in ("A", *runs):
        await gateway.process_request(a_document(run) if isinstance(run, str) else run)
    return gateway


async def an_hour_later(gateway: InMemoryGateway) -> None:
    gateway.clock.at += HOUR
    await release_round(gateway)


async def release_round(gateway: InMemoryGateway) -> None:
    await gateway.waiting_release.release_due()
    await gateway.run_until_idle()


def decided_by(gateway: InMemoryGateway, run_id: str) -> str:
    decision = gateway.row(run_id).decision
    return decision.selector.partition("#")[2] if decision else ""


async def test_a_run_above_the_first_threshold_goes_to_the_next_definition() -> None:
    gateway = a_gateway(2, 1)
    for run_id in "ABC":
        await gateway.process_request(a_document(run_id))
    assert [decided_by(gateway, run_id) for run_id in "ABC"] == ["S1", "S1", "S2"]
    assert "S1 matches too, but is used up" in explanation_text(
        gateway.store.requests[gateway.row("C").request_id].explanation
    )


async def test_when_all_definitions_are_used_up_the_update_names_them_and_the_next_window() -> None:
    gateway = a_gateway(1, 1)
    for run_id in "ABC":
        await gateway.process_request(a_document(run_id))
    update = gateway.last_update("C")
    assert (update.kind, update.phase, update.spoke) == (UpdateKind.WAITING, Phase.WAITING, "")
    (reason,) = update.reasons
    assert reason.code == "WAITS_FOR_THRESHOLD"
    assert "s#S1 (1 per PT1H), s#S2 (1 per PT1H)" in reason.message
    assert "2026-11-23T13:00:00" in reason.message
    assert gateway.row("C").waits_for == ("s#S1", "s#S2")
    assert gateway.row("C").reasons == (reason,)
    assert not gateway.dead_lettered
    assert not gateway.retries


async def test_it_is_sent_in_the_next_window_without_the_reason_for_waiting() -> None:
    gateway = await a_waiting_queue("B")
    await release_round(gateway)
    assert gateway.row("B").phase is Phase.WAITING
    await an_hour_later(gateway)
    row = gateway.row("B")
    assert (row.phase, row.reasons, row.waits_for) == (Phase.ACCEPTED, (), ())
    assert gateway.updates("B") == [UpdateKind.WAITING, UpdateKind.ACCEPTED]


async def test_requests_are_sent_in_order_of_arrival_and_only_as_many_as_fit() -> None:
    gateway = await a_waiting_queue("D", "C", "B", first=1)
    for run_id in ("D", "C", "B"):
        await an_hour_later(gateway)
        assert gateway.system.posted_names()[-1] == f"Line test {run_id}"
    assert len(gateway.system.posted_names()) == 4


async def test_a_request_at_the_start_of_a_window_waits_behind_those_in_the_queue() -> None:
    gateway = await a_waiting_queue("B")
    gateway.clock.at += HOUR
    await gateway.process_request(a_document("C"))
    assert gateway.row("C").phase is Phase.WAITING
    await release_round(gateway)
    assert gateway.system.posted_names() == ["Line test A", "Line test B"]


async def test_with_an_empty_queue_a_request_is_sent_at_once() -> None:
    gateway = await a_waiting_queue("B", first=2)
    gateway.clock.at += HOUR
    await release_round(gateway)
    await gateway.process_request(a_document("C"))
    assert gateway.row("C").phase is Phase.ACCEPTED


async def test_a_new_process_reads_the_queue_from_the_store() -> None:
    gateway = await a_waiting_queue("B")
    other = InMemoryGateway(
        store=gateway.store, publisher=gateway.publisher, decide=gateway.decide, clock=gateway.clock
    )
    gateway.clock.at += HOUR
    await other.process_request(a_document("C"))
    assert other.row("C").phase is Phase.WAITING


async def test_runs_of_other_definitions_do_not_wait() -> None:
    gateway = with_moon_definition()
    for run in (a_document("A"), a_document("B"), a_document("C", spec="moon-line")):
        await gateway.process_request(run)
    assert gateway.row("B").phase is Phase.WAITING
    assert gateway.row("C").phase is Phase.ACCEPTED


async def test_a_raised_threshold_releases_waiting_requests_in_the_same_window() -> None:
    gateway = await a_waiting_queue("B", "C")
    gateway.decide = a_decider(a_selector(2))
    await release_round(gateway)
    assert [gateway.row(run_id).phase for run_id in "BC"] == [Phase.ACCEPTED, Phase.WAITING]


async def test_a_removed_threshold_releases_all_waiting_requests() -> None:
    gateway = await a_waiting_queue(*"BCD")
    gateway.decide = a_decider()
    await release_round(gateway)
    assert gateway.system.posted_names() == [f"Line test {run_id}" for run_id in "ABCD"]


async def test_a_new_version_does_not_reset_the_count() -> None:
    gateway = a_gateway(1)
    await gateway.process_request(a_document("A"))
    gateway.decide = a_decider(a_selector(1, spec='"not(nowhere)"'))
    await gateway.process_request(a_document("B"))
    assert gateway.row("B").phase is Phase.WAITING


async def test_waiting_for_other_definitions_under_a_new_selector_is_reported() -> None:
    gateway = await a_waiting_queue("B", "C")
    gateway.decide = a_decider(a_selector(1, 1))
    await release_round(gateway)
    assert decided_by(gateway, "B") == "S2"
    assert gateway.row("C").waits_for == ("s#S1", "s#S2")
    assert gateway.updates("C") == [UpdateKind.WAITING, UpdateKind.WAITING]


async def test_a_waiting_request_without_a_row_in_a_new_selector_is_fallout_and_can_be_requested_again() -> None:
    gateway = await a_waiting_queue("B")
    gateway.decide = a_decider(a_selector(1, spec="moon-line"))
    await release_round(gateway)
    assert [reason.code for reason in gateway.last_update("B").reasons] == ["NO_ROW_MATCHES"]
    assert (gateway.row("B").phase, gateway.row("B").waits_for) == (Phase.FALLOUT, ())
    gateway.decide = a_decider(a_selector(2))
    await gateway.process_request(a_document("B"))
    assert gateway.row("B").phase is Phase.ACCEPTED
    assert not gateway.dead_lettered


async def test_a_redelivered_request_is_counted_and_reported_once() -> None:
    gateway = await a_waiting_queue("B", first=2)
    for run_id in ("A", "B", "A"):
        await gateway.process_request(a_document(run_id))
    assert [count.uses for count in gateway.store.uses.values()] == [2]
    await gateway.process_request(a_document("C"))
    await gateway.process_request(a_document("C"))
    ids = [event.id for event in gateway.published_events() if getattr(event.data, "kind", None) is UpdateKind.WAITING]
    assert len({*ids}) == 1
    assert not gateway.dead_lettered


async def test_other_content_under_the_id_of_a_run_that_waits_is_a_dead_letter() -> None:
    gateway = await a_waiting_queue("B")
    await gateway.process_lifecycle_event(RunRequested(run=a_document("B", description="other")), "other")
    assert gateway.dead_letter_codes() == ["RUN_EXISTS"]


async def test_a_cancelled_waiting_run_is_not_sent_and_not_counted() -> None:
    gateway = await a_waiting_queue("B", "C")
    await gateway.process_cancellation("B")
    assert gateway.row("B").state is RunState.CANCELLED
    assert [reason.code for reason in gateway.results("B")[0].reasons] == ["CANCELLED_BEFORE_SENDING"]
    assert [result.counts for result in gateway.request_results()] == [{"cancelled": 1}]
    await an_hour_later(gateway)
    assert gateway.system.posted_names() == ["Line test A", "Line test C"]


async def test_a_changed_waiting_run_keeps_its_place_and_the_newest_document_is_sent() -> None:
    gateway = await a_waiting_queue("B", "C")
    request_id = gateway.row("B").request_id
    await gateway.process_change(a_document("B", version=2, description="new"))
    assert gateway.row("B").phase is Phase.WAITING
    await an_hour_later(gateway)
    sent = gateway.row("B").sent
    assert sent is not None
    assert sent.description == "new"
    assert gateway.row("B").request_id == request_id
    await gateway.process_request(a_document("B"))
    assert not gateway.dead_lettered


async def test_a_waiting_run_changed_to_match_a_free_definition_is_sent_at_once() -> None:
    gateway = with_moon_definition()
    for run in (a_document("A"), a_document("B")):
        await gateway.process_request(run)
    await gateway.process_change(a_document("B", version=2, spec="moon-line"))
    assert (decided_by(gateway, "B"), gateway.row("B").waits_for) == ("S9", ())


async def test_a_run_routed_by_its_change_is_commanded_again_after_a_crash() -> None:
    gateway = with_moon_definition()
    for run in (a_document("A"), a_document("B")):
        await gateway.process_request(run)
    gateway.produce(gateway.names.lifecycle, RunChanged(run=a_document("B", version=2, spec="moon-line")), "change")
    await gateway.attempt_next(gateway.names.lifecycle)
    assert gateway.row("B").phase is Phase.ROUTED
    await gateway.attempt_next(gateway.names.lifecycle)
    commands = [event.id for event in gateway.published_events() if isinstance(event.data, SendRun)]
    assert (len(commands), len({*commands})) == (3, 2)  # the command of A, and the one of B twice


async def test_a_change_during_the_release_of_its_run_reaches_the_system() -> None:
    gateway = await a_waiting_queue("B")
    gateway.clock.at += HOUR
    stale = gateway.row("B")
    read, turns = gateway.store.run, gateway.waiting_release

    async def change_meanwhile(run_id: str) -> Any:  # noqa: ANN401 - a row or nothing
        if run_id == "B" and gateway.row("B") is stale:
            gateway.store.run = read  # type: ignore[method-assign] # only the first call
            await turns.release_due()
            gateway._loop_back_published()
            await gateway.process_next(gateway.names.dispatch("fibre-lab"))
            return stale
        return await read(run_id)

    gateway.store.run = change_meanwhile  # type: ignore[method-assign] # forces the race
    await gateway.process_change(a_document("B", version=2, description="new"))
    sent = gateway.row("B").sent
    assert sent is not None
    assert sent.description == "new"


# Hierarchies


async def test_a_hierarchy_waits_as_a_whole_and_counts_once() -> None:
    gateway = await a_waiting_queue(a_tree("T", 2), "B", first=1)
    assert gateway.row("T").phase is Phase.WAITING
    await an_hour_later(gateway)
    assert gateway.system.posted_names()[1:] == ["Line test T", "Line test T-1", "Line test T-2"]
    assert len({gateway.row(run_id).request_id for run_id in ("T", "T-1", "T-2")}) == 1
    assert gateway.row("B").phase is Phase.WAITING
    await gateway.process_request(a_tree("T", 2))
    assert not gateway.dead_lettered


async def test_a_bundle_waits_as_a_whole() -> None:
    gateway = await a_waiting_queue(a_tree("T", 2, spec="fibre-bundle"))
    await an_hour_later(gateway)
    assert gateway.system.posted_names()[1:] == ["Line test T"]
    assert {gateway.row(run_id).phase for run_id in ("T", "T-1", "T-2")} == {Phase.ACCEPTED}


ASSEMBLED_HIERARCHY = (
    a_document("G", spec="fibre-tree", child_run_ids=("G-1", "G-2")),
    a_document("G-1", parent="G", order=1),
    a_document("G-2", parent="G", order=2),
)


async def test_an_assembled_hierarchy_waits_as_a_whole_and_does_not_expire() -> None:
    gateway = await a_waiting_queue(*ASSEMBLED_HIERARCHY)
    assert {gateway.row(run_id).phase for run_id in ("G", "G-1", "G-2")} == {Phase.WAITING}
    gateway.clock.at += timedelta(seconds=400)
    assert await gateway.waiting_expiry.expire_overdue() == 0
    await an_hour_later(gateway)
    assert gateway.system.posted_names()[1:] == ["Line test G", "Line test G-1", "Line test G-2"]


async def test_a_waiting_assembled_hierarchy_can_be_cancelled_completely() -> None:
    gateway = await a_waiting_queue(*ASSEMBLED_HIERARCHY)
    await gateway.process_cancellation("G")
    assert {gateway.row(run_id).state for run_id in ("G", "G-1", "G-2")} == {RunState.CANCELLED}
    await an_hour_later(gateway)
    assert gateway.system.posted_names() == ["Line test A"]


async def test_every_run_of_a_tree_cancelled_while_it_waits_gets_a_result() -> None:
    gateway = await a_waiting_queue(a_tree("T", 2))
    await gateway.process_cancellation("T")
    await gateway.process_cancellation("T")
    assert {result.run_id for name in ("T", "T-1", "T-2") for result in gateway.results(name)} == {"T", "T-1", "T-2"}
    assert {frozenset(result.counts.items()) for result in gateway.request_results()} == {frozenset({("cancelled", 3)})}
    assert not gateway.dead_lettered


async def test_a_child_of_a_waiting_tree_is_changed_in_place() -> None:
    gateway = await a_waiting_queue(a_tree("T", 2))
    child = a_document("T-2", spec="fibre-tree-child", parent="T", order=2, version=2, description="new")
    await gateway.process_change(child)
    await gateway.process_change(child.model_copy(update={"version": 1, "description": "old"}), "late")
    assert [reason.code for reason in gateway.last_update("T-2").reasons] == ["VERSION_NOT_HIGHER"]
    await an_hour_later(gateway)
    sent = gateway.row("T-2").sent
    assert sent is not None
    assert sent.description == "new"
    assert not gateway.dead_lettered


async def test_a_child_of_a_waiting_tree_is_cancelled_with_the_runs_below_it() -> None:
    children = (
        a_document("T-1", parent="T"),
        a_document("T-2", root="T", parent="T-1"),
        a_document("T-3", parent="T"),
    )
    gateway = await a_waiting_queue(a_document("T", spec="fibre-tree", children=children))
    await gateway.process_cancellation("T-1", root="T")
    await gateway.process_cancellation("T-1", root="T")
    assert [gateway.row(run_id).phase for run_id in ("T-1", "T-2")] == [Phase.CANCELLED, Phase.BLOCKED]
    await an_hour_later(gateway)
    assert gateway.system.posted_names()[1:] == ["Line test T", "Line test T-3"]
    for run_id in ("T", "T-3"):
        await gateway.process_callback(f"ext-{run_id}", state="completed", testMeasure=[])
    assert [result.counts for result in gateway.request_results()][-1] == {"completed": 2, "cancelled": 2}
    assert not gateway.dead_lettered


async def test_a_redelivered_request_of_a_waiting_tree_without_a_removed_child_changes_nothing() -> None:
    gateway = await a_waiting_queue(a_tree("T", 2))
    await gateway.process_change(a_tree("T", 1, version=2))
    await an_hour_later(gateway)
    assert gateway.system.posted_names()[1:] == ["Line test T", "Line test T-1"]
    await gateway.process_request(a_tree("T", 2))
    assert not gateway.dead_lettered


async def test_a_root_whose_change_names_a_missing_child_reports_it_on_release() -> None:
    gateway = await a_waiting_queue("B")
    await gateway.process_change(a_document("B", version=2, spec="fibre-tree", child_run_ids=("B-1",)))
    await an_hour_later(gateway)
    assert [reason.code for reason in gateway.last_update("B").reasons] == ["CHILDREN_MISSING"]
    await gateway.process_request(a_document("B-1", parent="B"))
    assert gateway.system.posted_names()[1:] == ["Line test B", "Line test B-1"]


async def test_a_cancellation_of_a_child_that_never_belonged_to_its_tree_is_a_dead_letter() -> None:
    gateway = await a_waiting_queue(a_tree("T", 1))
    await gateway.process_cancellation("T-9", root="T")
    assert gateway.dead_letter_codes() == ["UNKNOWN_RUN"]


# Crashes and other processes


async def test_a_released_run_without_a_command_is_commanded_by_another_process() -> None:
    gateway = await a_waiting_queue(a_tree("T", 2))
    gateway.clock.at += HOUR
    gateway.publisher.fail_topic(gateway.names.dispatch("fibre-lab"), "no broker")
    with pytest.raises(PublishError):
        await gateway.waiting_release.release_due()
    assert gateway.row("T").phase is Phase.ROUTED
    gateway.publisher.restore_topic(gateway.names.dispatch("fibre-lab"))
    await release_round(gateway)
    assert gateway.system.posted_names() == ["Line test A"]
    gateway.clock.at += timedelta(seconds=40)
    await release_round(gateway)
    assert gateway.system.posted_names()[1:] == ["Line test T", "Line test T-1", "Line test T-2"]
    assert gateway.row("T").waits_for == ()


async def test_a_command_that_kafka_never_accepts_is_fallout_and_blocks_no_other() -> None:
    gateway = await a_waiting_queue("B", "C", first=2)
    gateway.clock.at += HOUR
    topic = gateway.names.dispatch("fibre-lab")
    gateway.publisher.fail_topic(topic, "too large", RecordTooLargeError)
    await gateway.waiting_release.release_due()
    assert [reason.code for reason in gateway.last_update("C").reasons] == ["MESSAGE_TOO_LARGE"]
    assert (gateway.row("C").phase, gateway.row("C").waits_for) == (Phase.FALLOUT, ())
    gateway.publisher.restore_topic(topic)
    await gateway.process_request(a_document("D"))
    assert gateway.row("D").phase is Phase.ACCEPTED


async def test_an_abandoned_command_that_kafka_never_accepts_is_fallout_too() -> None:
    gateway = await a_waiting_queue("B")
    gateway.clock.at += HOUR
    topic = gateway.names.dispatch("fibre-lab")
    gateway.publisher.fail_topic(topic)
    with pytest.raises(PublishError):
        await gateway.waiting_release.release_due()
    gateway.publisher.fail_topic(topic, "too large", RecordTooLargeError)
    gateway.clock.at += timedelta(seconds=40)
    await gateway.waiting_release.release_due()
    assert gateway.row("B").phase is Phase.FALLOUT


async def test_a_failed_release_is_reported_and_the_next_one_runs() -> None:
    gateway = await a_waiting_queue("B")
    gateway.clock.at += HOUR
    gateway.store.problems.append(StoreUnavailableError("the database is locked"))
    turns = gateway.waiting_release
    turns.interval = 0.001
    looking = asyncio.create_task(turns.run())
    async with asyncio.timeout(5):
        while gateway.row("B").waits_for:  # noqa: ASYNC110 - what it waits for is a row, not an event
            await asyncio.sleep(0.001)
    looking.cancel()
    await asyncio.wait([looking])
    assert gateway.problems == ["Queued requests could not be released; this will be retried: the database is locked"]


async def test_an_unavailable_store_loses_no_waiting_request() -> None:
    gateway = await a_waiting_queue("B")
    gateway.clock.at += HOUR
    gateway.store.problems.append(StoreUnavailableError("locked"))
    with pytest.raises(StoreUnavailableError):
        await gateway.waiting_release.release_due()
    await release_round(gateway)
    assert gateway.row("B").phase is Phase.ACCEPTED


async def test_a_request_released_by_another_process_is_not_counted_twice() -> None:
    gateway = await a_waiting_queue("B", "C", first=2)
    gateway.clock.at += HOUR
    gateway.store.problems.append(ConflictError("moved"))
    await release_round(gateway)
    assert gateway.system.posted_names() == [f"Line test {run_id}" for run_id in "ABC"]


async def test_many_waiting_requests_are_sent_in_one_round_in_order() -> None:
    runs = [f"R{n:03}" for n in range(450)]
    gateway = await a_waiting_queue(*runs)
    gateway.decide = a_decider(a_selector(1 + 430))
    await release_round(gateway)
    assert gateway.system.posted_names()[1:] == [f"Line test {run}" for run in runs[:430]]
    assert await gateway.store.waiting_queue.read_lengths() == {("s#S1",): 20}


async def test_a_tree_that_can_never_be_stored_is_given_up_and_does_not_block_its_queue() -> None:
    tree = a_tree("T", 2)
    gateway = await a_waiting_queue(tree, "B", "C")
    await gateway.process_request(tree.children[0])
    turns = gateway.waiting_release
    for _ in range(3):
        gateway.clock.at += HOUR
        await turns.release_due()
        await gateway.run_until_idle()
    assert [reason.code for reason in gateway.last_update("T").reasons] == ["RUN_EXISTS"]
    assert [gateway.row(run_id).phase for run_id in "TBC"] == [Phase.FALLOUT, Phase.ACCEPTED, Phase.ACCEPTED]
    await gateway.process_change(a_document("T", version=3, spec="fibre-tree"))
    assert gateway.row("T").phase is Phase.ACCEPTED


async def test_a_change_of_a_tree_that_can_never_be_stored_is_a_dead_letter_and_not_retried_without_end() -> None:
    tree = a_tree("T", 2)
    gateway = await a_waiting_queue(tree)
    await gateway.process_request(tree.children[0])
    gateway.clock.at += HOUR
    gateway.threshold_cache.replace_queue(())
    await gateway.process_change(a_tree("T", 2, version=2, description="new"))
    assert gateway.dead_letter_codes() == ["RUN_EXISTS"]
    assert gateway.row("T").phase is Phase.FALLOUT


async def test_a_request_with_repeated_conflicts_does_not_block_those_behind_it() -> None:
    gateway = await a_waiting_queue("B", "C")
    gateway.clock.at += HOUR
    gateway.store.problems.append(ConflictError("moved"))
    turns = gateway.waiting_release
    turns._last_selector = gateway.decide.selector
    await turns.release_due()
    assert gateway.row("C").phase is Phase.ROUTED


def break_release_of_b(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    async def broken(store: RunStore, root: RunRow) -> Any:  # noqa: ANN401 - the signature of what it replaces
        if root.run_id == "B":
            raise error
        return await complete_hierarchy(store, root)

    monkeypatch.setattr("consumers.routing.waiting.queued_request.complete_hierarchy", broken)


async def test_an_unexpected_error_of_one_request_is_fallout_and_ends_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway = await a_waiting_queue("B", "C", first=1)
    gateway.clock.at += HOUR
    break_release_of_b(monkeypatch, RuntimeError("poison"))
    await gateway.waiting_release.release_due()
    assert [reason.code for reason in gateway.last_update("B").reasons] == ["UNEXPECTED"]
    assert [gateway.row(run_id).phase for run_id in "BC"] == [Phase.FALLOUT, Phase.ROUTED]
    (complaint,) = gateway.problems
    first, *frames = complaint.splitlines()
    assert first == "The turn of request B broke with RuntimeError: tell a developer"
    assert "test_release.py" in frames[-1]
    assert "poison" not in f"{complaint}{gateway.last_update('B').reasons}"


async def test_a_cancellation_inside_the_release_of_one_request_ends_no_process_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway = await a_waiting_queue("B", "C", first=1)
    gateway.clock.at += HOUR
    break_release_of_b(monkeypatch, asyncio.CancelledError())
    await gateway.waiting_release.release_due()
    assert [reason.code for reason in gateway.last_update("B").reasons] == ["UNEXPECTED"]
    assert [gateway.row(run_id).phase for run_id in "BC"] == [Phase.FALLOUT, Phase.ROUTED]


async def test_a_cancelled_release_gives_no_request_up(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = await a_waiting_queue("B", first=1)
    gateway.clock.at += HOUR
    reached = asyncio.Event()

    async def never(store: RunStore, root: RunRow) -> Any:  # noqa: ANN401 - the signature of what it replaces
        reached.set()
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr("consumers.routing.waiting.queued_request.complete_hierarchy", never)
    look = asyncio.create_task(gateway.waiting_release.release_due())
    async with asyncio.timeout(5):
        await reached.wait()
    look.cancel()
    with pytest.raises(asyncio.CancelledError):
        await look
    assert (gateway.row("B").phase, gateway.problems) == (Phase.WAITING, [])


async def test_a_conflict_over_one_abandoned_request_does_not_keep_the_others_from_being_commanded() -> None:
    gateway = await a_waiting_queue("B", "C", first=1)
    gateway.decide = a_decider(a_selector(3))
    gateway.publisher.fail_topic(gateway.names.dispatch("fibre-lab"), "no broker")
    with pytest.raises(PublishError):
        await gateway.waiting_release.release_due()
    gateway.publisher.restore_topic(gateway.names.dispatch("fibre-lab"))
    gateway.clock.at += timedelta(seconds=40)
    turns, read = gateway.waiting_release, gateway.store.runs_of_request

    async def moved(request_id: str) -> Sequence[RunRow]:
        gateway.store.runs_of_request = read  # type: ignore[method-assign] # only the first call
        raise ConflictError(request_id)

    gateway.store.runs_of_request = moved  # type: ignore[method-assign] # forces the race
    await turns.release_due()
    await gateway.run_until_idle()
    assert gateway.row("C").phase is Phase.ACCEPTED
