"""A change of a hierarchy adds, changes and removes children together with their root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from router.responses import Purpose
from schemas.vocabulary import Phase, UpdateKind
from tests.builders.runs import a_document, a_tree
from tests.fakes.external_system import LOCKED
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from schemas.run_document import RunDocument

PATCHABLE = {"patchable": ["description"]}


def child(number: int, **more: Any) -> RunDocument:  # noqa: ANN401 - any field of a document
    return a_document(f"TR0001-{number}", spec="fibre-tree-child", parent="TR0001", order=number, **more)


def tree(version: int, *children: RunDocument, **more: Any) -> RunDocument:  # noqa: ANN401 - the same
    return a_document(spec="fibre-tree", version=version, children=children, **more)


async def a_tree_that_is_out(**profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=PATCHABLE | profile)
    await gateway.process_request(a_tree(children=2))
    return gateway


async def test_an_added_child_is_sent_below_its_parent() -> None:
    gateway = await a_tree_that_is_out()
    await gateway.process_change(tree(2, child(1), child(2), child(3)))
    assert gateway.system.posted_names()[-1] == "Line test TR0001-3"
    assert gateway.row("TR0001-3").request_id == gateway.row().request_id


async def test_a_removed_child_is_cancelled() -> None:
    gateway = await a_tree_that_is_out()
    await gateway.process_change(tree(2, child(1)))
    assert [call.path for call in gateway.system.calls_made(Purpose.CANCEL)] == ["/serviceTest/ext-TR0001-2"]
    assert gateway.row("TR0001-2").phase is Phase.CANCELLED


async def test_a_changed_child_is_changed_and_the_others_are_not() -> None:
    gateway = await a_tree_that_is_out()
    await gateway.process_change(tree(2, child(1), child(2, version=2, description="new")))
    assert [call.path for call in gateway.system.calls_made(Purpose.CHANGE)] == ["/serviceTest/ext-TR0001-2"]


async def test_a_child_whose_version_is_not_higher_is_refused_and_the_rest_of_the_change_is_not() -> None:
    gateway = await a_tree_that_is_out()
    await gateway.process_change(tree(2, child(1, description="new"), child(2), description="new too"))
    assert gateway.last_update("TR0001-1").kind is UpdateKind.CHANGE_REFUSED
    assert gateway.last_update().kind is UpdateKind.CHANGE_ACCEPTED


async def test_a_refused_change_of_the_root_leaves_the_children_alone() -> None:
    gateway = await a_tree_that_is_out()
    await gateway.process_change(tree(1, child(1)), "late")
    assert gateway.last_update().kind is UpdateKind.CHANGE_REFUSED
    assert gateway.system.calls_made(Purpose.CANCEL) == []


async def test_a_removed_child_cannot_be_added_again_with_the_same_id() -> None:
    gateway = await a_tree_that_is_out()
    await gateway.process_change(tree(2, child(1)))
    await gateway.process_change(tree(3, child(1), child(2, version=3)))
    assert [reason.code for reason in gateway.last_update("TR0001-2").reasons] == ["CHILD_REMOVED"]


async def test_an_added_child_whose_id_is_taken_is_a_dead_letter_and_nothing_is_changed() -> None:
    gateway = await a_tree_that_is_out()
    await gateway.process_request(a_document("TR0001-3"))
    await gateway.process_change(tree(2, child(1), child(2), child(3)))
    assert gateway.dead_letter_codes() == ["RUN_EXISTS"]
    assert gateway.row().requested.version == 1


async def test_a_change_that_makes_a_cycle_is_a_dead_letter() -> None:
    gateway = await a_tree_that_is_out()
    a, b = a_document("A", root="TR0001", parent="B"), a_document("B", root="TR0001", parent="A")
    await gateway.process_change(tree(2, child(1), child(2), a, b))
    assert gateway.dead_letter_codes() == ["HIERARCHY_CYCLE"]


async def test_an_added_child_may_be_requested_before_or_after_the_change_that_names_it() -> None:
    gateway = await a_tree_that_is_out()
    await gateway.process_change(tree(2, child(1), child(2), child_run_ids=("TR0001-3",)))
    await gateway.process_request(child(3))
    assert gateway.system.posted_names()[-1] == "Line test TR0001-3"
    await gateway.process_request(child(4))
    assert gateway.dead_letter_codes() == ["CHILD_NOT_LISTED"]
    await gateway.process_change(tree(3, child(1), child(2), child_run_ids=("TR0001-3", "TR0001-4")))
    assert gateway.system.posted_names()[-1] == "Line test TR0001-4"
    assert len(gateway.system.posted_names()) == 5


async def test_a_waiting_root_whose_missing_child_is_removed_is_sent() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(spec="fibre-tree", child_run_ids=("C1", "C2")))
    await gateway.process_request(a_document("C1", parent="TR0001"))
    await gateway.process_change(a_document(spec="fibre-tree", version=2, child_run_ids=("C1",)))
    assert gateway.system.posted_names() == ["Line test TR0001", "Line test C1"]


async def test_a_waiting_root_keeps_the_children_that_its_change_contains() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(spec="fibre-tree", child_run_ids=("C1",)))
    await gateway.process_change(tree(2, child(1), child_run_ids=("C1",)))
    await gateway.process_request(a_document("C1", parent="TR0001", order=9))
    assert gateway.system.posted_names() == ["Line test TR0001", "Line test TR0001-1", "Line test C1"]


async def test_a_child_that_is_changed_by_itself_keeps_its_request() -> None:
    gateway = await a_tree_that_is_out()
    await gateway.process_change(child(1, version=2, description="new"))
    assert gateway.last_update("TR0001-1").kind is UpdateKind.CHANGE_ACCEPTED


async def test_two_changes_that_are_delivered_again_after_a_crash_are_not_refused() -> None:
    gateway = InMemoryGateway(profile=PATCHABLE)
    await gateway.process_request(a_document())
    await gateway.process_change(a_document(version=2, description="two"), "c2")
    await gateway.process_change(a_document(version=3, description="three"), "c3")
    ids = {event.id for event in gateway.published_events()}
    await gateway.process_change(a_document(version=2, description="two"), "c2")
    await gateway.process_change(a_document(version=3, description="three"), "c3")
    assert {event.id for event in gateway.published_events()} == ids


async def test_a_removed_child_that_was_never_sent_ends_without_a_call() -> None:
    gateway = InMemoryGateway(profile=PATCHABLE)
    gateway.system.plan(Purpose.SEND, None, *[LOCKED] * 4)
    await gateway.process_request(a_tree(children=1))
    await gateway.process_change(tree(2))
    assert gateway.row("TR0001-1").phase is Phase.CANCELLED
    assert gateway.system.calls_made(Purpose.CANCEL) == []


async def test_a_redelivered_change_does_not_undo_the_one_after_it() -> None:
    gateway = await a_tree_that_is_out()
    second, third = tree(2, child(1)), tree(3, child(1), child(3))
    for change, event_id in ((second, "c2"), (third, "c3"), (second, "c2"), (third, "c3")):
        await gateway.process_change(change, event_id)
    assert gateway.row("TR0001-3").phase is Phase.ACCEPTED
    assert len(gateway.system.calls_made(Purpose.CANCEL)) == 1
    assert UpdateKind.CHANGE_REFUSED not in gateway.updates("TR0001-2")
