"""A run names its children at its system, also one that is added later, where the profile wants that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from router.responses import HttpResponse, Purpose
from schemas.vocabulary import Phase, UpdateKind
from tests.builders.runs import a_tree
from tests.builders.spokes import a_profile
from tests.fakes.external_system import REFUSED_CONNECTION, body_of, json_answer
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from schemas.run_document import RunDocument

NAMED: dict[str, Any] = {"parent_names_children": True}
ROOT = "ext-TR0001"


def a_gateway(**profile: object) -> InMemoryGateway:
    return InMemoryGateway(profile=NAMED | profile)


def with_children(count: int, version: int = 1) -> RunDocument:
    return a_tree(children=count).model_copy(update={"version": version})


def named(gateway: InMemoryGateway) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the paths and the relationships of the PATCHes that were made."""
    return [
        (call.path, [(each["role"], each["id"]) for each in body_of(call)["serviceTestRelationship"]])
        for call in gateway.system.calls_made(Purpose.CHANGE)
    ]


async def test_the_root_names_a_child_that_is_added_later_beside_the_others() -> None:
    gateway = a_gateway()
    await gateway.process_request(with_children(1))
    await gateway.process_change(with_children(2, version=2))
    path, first, second = f"/serviceTest/{ROOT}", ("child", f"{ROOT}-1"), ("child", f"{ROOT}-2")
    assert named(gateway) == [(path, [first]), (path, [first, second])]
    (_, last) = gateway.system.calls_made(Purpose.CHANGE)
    assert body_of(last)["@type"] == "RelatedServiceTest"  # as with the parent in the POST of a child
    assert gateway.updates("TR0001-2") == [UpdateKind.ACCEPTED]


async def test_a_child_that_was_cancelled_is_left_out_with_the_next_one() -> None:
    gateway = a_gateway(version="5.0", cancel="delete")
    await gateway.process_request(with_children(2))
    await gateway.process_cancellation("TR0001-1", root="TR0001")
    tree = with_children(3, version=2)
    await gateway.process_change(tree.model_copy(update={"children": tree.children[1:]}))
    assert named(gateway)[-1][1] == [("child", f"{ROOT}-2"), ("child", f"{ROOT}-3")]
    assert body_of(gateway.system.calls_made(Purpose.CHANGE)[-1])["@type"] == "ServiceTest"


async def test_a_child_that_has_children_still_names_its_parent() -> None:
    gateway = a_gateway()
    tree = with_children(2)
    below = tree.children[1].model_copy(update={"parent_run_id": "TR0001-1"})
    await gateway.process_request(tree.model_copy(update={"children": (tree.children[0], below)}))
    path, relationships = named(gateway)[-1]
    assert path == f"/serviceTest/{ROOT}-1"
    assert relationships == [("parent", ROOT), ("child", f"{ROOT}-2")]


async def test_without_the_profiles_word_no_parent_is_patched() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(with_children(2))
    assert named(gateway) == []


async def test_a_patch_that_was_not_made_is_repeated_and_the_child_is_posted_once() -> None:
    gateway = a_gateway()
    gateway.system.plan(Purpose.CHANGE, HttpResponse(status=503), REFUSED_CONNECTION)
    await gateway.process_request(with_children(1))
    first, *others = gateway.system.calls_made(Purpose.CHANGE)
    assert len(gateway.system.posted_names()) == 2
    assert [(each.body, each.idempotency_key) for each in others] == [(first.body, first.idempotency_key)] * 2
    assert gateway.dead_letter_codes() == []


async def test_a_refused_patch_is_a_dead_letter_that_can_be_redriven_and_the_child_goes_on() -> None:
    gateway = a_gateway()
    gateway.system.plan(Purpose.CHANGE, json_answer(422, {"code": "no", "reason": "no relationships"}))
    await gateway.process_request(with_children(1))
    assert gateway.dead_letter_codes() == ["CALL_REFUSED"]
    assert gateway.row("TR0001-1").phase is Phase.ACCEPTED
    assert gateway.updates("TR0001-1") == [UpdateKind.ACCEPTED]
    gateway.redeliver(gateway.dead_lettered[0][0])
    await gateway.run_until_idle()
    assert len(named(gateway)) == 2
    assert len(gateway.system.posted_names()) == 2


async def test_a_parent_that_has_ended_is_left_alone() -> None:
    gateway = a_gateway()
    gateway.system.states["TR0001"] = "completed"
    await gateway.process_request(with_children(1))
    assert named(gateway) == []
    assert gateway.row("TR0001-1").phase is Phase.ACCEPTED


async def test_the_list_waits_for_the_id_of_a_child_that_was_accepted_without_one() -> None:
    gateway = a_gateway()
    gateway.system.plan(Purpose.SEND, None, HttpResponse(status=202))
    await gateway.process_request(with_children(1))
    assert gateway.dead_letter_codes() == ["EXTERNAL_ID_MISSING"]
    assert named(gateway) == []


@pytest.mark.parametrize("more", [{"dialect": "jobs"}, {"relationship_encoding": "characteristic"}])
def test_a_profile_that_cannot_do_it_says_why(more: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="parent_names_children is for TMF653"):
        a_profile(**NAMED, **more)
