"""A requested run or hierarchy is decided once and commanded once, in whatever order its parts arrive."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from router.responses import Purpose
from router.runs.hierarchy_limits import HierarchyLimits
from schemas.commands import SendRun
from schemas.lifecycle import RunRequested
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import a_document, a_run, a_tree
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from router.runs.run import RunRow

ROOT = a_document(spec="fibre-tree", child_run_ids=("C1", "C2"))
C1 = a_document("C1", parent="TR0001", order=1)
C2 = a_document("C2", root="TR0001", parent="C1", order=1)


def commanded(gateway: InMemoryGateway) -> list[str]:
    sent = [event for event in gateway.published_events() if isinstance(event.data, SendRun)]
    return [event.data.run.run_id for event in sent if isinstance(event.data, SendRun)]


async def test_a_single_run_carries_its_decision() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    (command,) = [event for event in gateway.published_events() if isinstance(event.data, SendRun)]
    assert (command.headers.decision or "").startswith("outbound-policy@")
    assert (command.headers.decision or "").endswith("#R3")
    assert gateway.store.requests[command.headers.request_id or ""].explanation


async def test_a_hierarchy_is_sent_parents_first_under_one_request() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_tree(children=3))
    assert commanded(gateway) == ["TR0001", "TR0001-1", "TR0001-2", "TR0001-3"]
    assert len({row.request_id for row in gateway.store.runs.values()}) == 1


async def test_of_a_tree_that_is_not_hierarchical_only_the_root_is_sent() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_tree(spec="fibre-flat"))
    assert commanded(gateway) == ["TR0001"]


async def test_the_embedded_children_of_a_root_that_is_sent_alone_end_with_the_reason() -> None:
    gateway = InMemoryGateway()
    for _ in range(2):
        await gateway.process_request(a_tree(children=2, spec="fibre-flat"))
    for child in ("TR0001-1", "TR0001-2"):
        assert gateway.row(child).state is RunState.CANCELLED
        assert [[reason.code for reason in result.reasons] for result in gateway.results(child)] == [
            ["ROOT_SENT_ALONE"]
        ]
    assert not gateway.dead_lettered
    await gateway.process_callback("ext-TR0001", state="completed", testMeasure=[])
    assert [closing.counts for closing in gateway.request_results()] == [{"completed": 1}]


@pytest.mark.parametrize("embedded", [True, False])
async def test_a_child_that_arrived_before_the_root_that_embeds_it_and_is_sent_alone_ends(embedded: bool) -> None:  # noqa: FBT001 - both kinds of child
    gateway = InMemoryGateway()
    child = a_document("TR0001-1", parent="TR0001", order=1)
    await gateway.process_request(child)
    tree = a_tree(children=2, spec="fibre-flat")
    if not embedded:
        tree = tree.model_copy(update={"children": tree.children[1:], "child_run_ids": ("TR0001-1",)})
    await gateway.process_request(tree)
    assert commanded(gateway) == ["TR0001"]
    assert {gateway.row(f"TR0001-{n}").state for n in (1, 2)} == {RunState.CANCELLED}
    assert not gateway.dead_lettered


async def test_a_root_that_is_sent_alone_ends_no_run_of_another_root() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document("TR0001-1"))
    await gateway.process_request(a_tree(children=1, spec="fibre-flat"))
    assert commanded(gateway) == ["TR0001-1", "TR0001"]
    assert gateway.row("TR0001-1").state is not RunState.CANCELLED


class ChildStoredMeanwhile(InMemoryRunStore):
    """Another process stores a run of another root right after it was looked for."""

    async def run(self, run_id: str) -> RunRow | None:
        found = await super().run(run_id)
        if run_id == "TR0001-1" and found is None:
            self.runs[run_id] = a_run(run_id)
        return found


async def test_fault_a_root_that_is_sent_alone_was_refused_if_another_stored_the_id_of_its_child_meanwhile() -> None:
    gateway = InMemoryGateway(store=ChildStoredMeanwhile())
    await gateway.process_request(a_tree(children=1, spec="fibre-flat"))
    assert gateway.dead_letter_codes() == []
    assert commanded(gateway) == ["TR0001"]
    assert gateway.row("TR0001-1").state is not RunState.CANCELLED


@pytest.mark.parametrize("tree", [False, True])
async def test_the_same_request_twice_is_sent_once(tree: bool) -> None:  # noqa: FBT001 - both kinds of request
    gateway = InMemoryGateway()
    run = a_tree() if tree else a_document()
    await gateway.process_request(run)
    ids = {event.id for event in gateway.published_events()}
    await gateway.process_request(run)
    assert {event.id for event in gateway.published_events()} == ids
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1 + len(run.children)
    assert not gateway.dead_lettered


@pytest.mark.parametrize(
    "other",
    [
        a_document(description="other"),
        a_document(version=2),
        a_document("TR0002", spec="fibre-tree", children=(a_document("TR0001", parent="TR0002"),)),
    ],
)
async def test_an_id_that_is_taken_is_a_dead_letter(other: object) -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    gateway.produce(gateway.names.lifecycle, RunRequested(run=other), "other")
    await gateway.run_until_idle()
    assert gateway.dead_letter_codes() == ["RUN_EXISTS"]


async def test_a_request_with_other_content_of_a_child_is_a_dead_letter() -> None:
    gateway = InMemoryGateway()
    tree = a_tree(children=1)
    await gateway.process_request(tree)
    other = tree.model_copy(update={"children": (tree.children[0].model_copy(update={"description": "other"}),)})
    await gateway.process_request(other)
    assert gateway.dead_letter_codes() == ["RUN_EXISTS"]


@pytest.mark.parametrize(
    ("children", "code"),
    [
        ((a_document("A", root="TR0001", parent="B"), a_document("B", root="TR0001", parent="A")), "HIERARCHY_CYCLE"),
        ((a_document("A", root="TR0001", parent="X"),), "HIERARCHY_PARENT_MISSING"),
        ((a_document("A", root="TR0009", parent="TR0001"),), "HIERARCHY_OTHER_ROOT"),
        (tuple(a_document(f"A{n}", parent="TR0001") for n in range(10_000)), "HIERARCHY_TOO_LARGE"),
    ],
)
async def test_a_hierarchy_that_cannot_be_sent_is_a_dead_letter_before_anything_is_stored(
    children: tuple[object, ...], code: str
) -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(spec="fibre-tree", children=children))
    assert gateway.dead_letter_codes() == [code]
    assert not gateway.store.runs


async def test_ten_thousand_named_children_are_refused_at_once() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(spec="fibre-tree", child_run_ids=tuple(f"C{n}" for n in range(10_000))))
    assert gateway.dead_letter_codes() == ["HIERARCHY_TOO_LARGE"]
    assert not gateway.store.runs


@pytest.mark.parametrize(("spec", "table"), [("unplanned", "outbound-policy"), ("nowhere", "spoke-selector")])
async def test_undecided_tables_are_a_dead_letter_that_names_the_table(spec: str, table: str) -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(spec=spec))
    assert gateway.dead_letter_codes() == ["NO_ROW_MATCHES"]
    sentence = gateway.dead_lettered[0][1].problem.sentence
    assert table in sentence
    assert sentence.endswith("add a row or a default, then redrive its RunRequested")
    assert not gateway.store.runs


@pytest.mark.parametrize("order", [*permutations((ROOT, C1, C2))])
async def test_children_may_be_requested_separately_in_any_order_and_twice(order: tuple[object, ...]) -> None:
    gateway = InMemoryGateway()
    for number, run in enumerate((*order, *order)):
        gateway.produce(gateway.names.lifecycle, RunRequested(run=run), f"r{number}")
        await gateway.run_until_idle()
    assert gateway.system.posted_names() == ["Line test TR0001", "Line test C1", "Line test C2"]
    assert [*dict.fromkeys(commanded(gateway))] == ["TR0001", "C1", "C2"]
    assert not gateway.dead_lettered


async def test_a_hierarchy_waits_until_it_is_complete() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(ROOT)
    await gateway.process_request(C2)
    assert gateway.system.calls == []
    assert {row.phase for row in gateway.store.runs.values()} == {Phase.CREATED}


async def test_separately_requested_children_end_when_only_their_root_is_sent() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(C1)
    for event_id in ("once", "twice"):
        await gateway.process_request(a_document(spec="fibre-flat", child_run_ids=("C1",)), event_id)
    assert gateway.system.posted_names() == ["Line test TR0001"]
    assert not gateway.dead_lettered
    assert [result.reasons[0].code for result in gateway.results("C1")] == ["ROOT_SENT_ALONE"]
    assert not [closing for closing in gateway.request_results() if closing.root_run_id == "TR0001"]


async def test_a_child_of_a_root_that_was_sent_alone_ends_too() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(spec="fibre-flat"))
    await gateway.process_request(C1)
    assert gateway.row("C1").state is RunState.CANCELLED


async def test_a_child_that_its_root_does_not_name_is_fallout_and_keeps_no_request_open() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_tree(children=1))
    await gateway.process_request(C1)
    assert gateway.dead_letter_codes() == ["CHILD_NOT_LISTED"]
    assert gateway.updates("C1") == [UpdateKind.FALLOUT]
    for name in ("ext-TR0001", "ext-TR0001-1"):
        await gateway.process_callback(name, state="completed", testMeasure=[])
    assert [result.counts for result in gateway.request_results()][-1] == {"completed": 2}


async def test_an_assembled_hierarchy_that_the_tables_cannot_decide_is_reported_and_can_be_redriven() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(C1)
    await gateway.process_request(a_document(spec="unplanned", child_run_ids=("C1",)))
    assert gateway.dead_letter_codes() == ["NO_ROW_MATCHES"]
    assert gateway.updates() == [UpdateKind.FALLOUT]
    await gateway.process_change(a_document(spec="fibre-tree", version=2, child_run_ids=("C1",)))
    assert gateway.system.posted_names() == ["Line test TR0001", "Line test C1"]


async def test_an_assembled_hierarchy_that_is_too_deep_is_reported() -> None:
    gateway = InMemoryGateway(limits=HierarchyLimits(max_depth=2))
    for run in (ROOT, C1, C2):
        await gateway.process_request(run)
    assert gateway.dead_letter_codes() == ["HIERARCHY_TOO_DEEP"]
    assert gateway.row().phase is Phase.FALLOUT


async def test_a_redelivered_request_after_a_change_is_not_a_dead_letter() -> None:
    gateway = InMemoryGateway(profile={"patchable": ["description"]})
    for run in (C1, C2, ROOT):
        await gateway.process_request(run)
    await gateway.process_change(C1.model_copy(update={"version": 2, "description": "new"}))
    await gateway.process_request(C1)
    assert not gateway.dead_lettered


async def test_an_event_that_does_not_belong_on_the_lifecycle_topic_is_a_dead_letter() -> None:
    gateway = InMemoryGateway()
    gateway.produce(gateway.names.lifecycle, gateway.a_callback("ext-1"), "x")
    await gateway.run_until_idle()
    assert gateway.dead_letter_codes() == ["WRONG_TOPIC"]


async def test_a_run_that_is_cancelled_before_its_root_comes_is_not_sent() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(C1)
    await gateway.process_cancellation("C1", root="TR0001")
    assert gateway.row("C1").state is RunState.CANCELLED
