"""A child of a bundle is changed by a PATCH of its root that carries all children, where the profile says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from pydantic import ValidationError

from router.responses import HttpResponse, Purpose
from schemas.vocabulary import UpdateKind
from tests.builders.runs import a_tree
from tests.builders.spokes import a_profile
from tests.fakes.external_system import body_of, json_answer
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from schemas.run_document import RunDocument

ROOT, FIRST, SECOND = "ext-TR0001", "ext-TR0001-1", "ext-TR0001-2"
IN_ROOT = {"patchable": ["description"], "children_changed_in": "root"}


async def a_bundle(**profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=IN_ROOT | profile)
    await gateway.process_request(with_description("slow"))
    return gateway


def with_description(description: str, version: int = 1) -> RunDocument:
    """Return a bundle whose first child has this description."""
    tree = a_tree(spec="fibre-bundle", children=2)
    first = tree.children[0].model_copy(update={"description": description, "version": version})
    return tree.model_copy(update={"version": version, "children": (first, *tree.children[1:])})


def root_showing(description: str) -> HttpResponse:
    return json_answer(200, {"id": ROOT, "childServiceTest": [{"id": FIRST, "description": description}]})


async def test_the_root_is_patched_with_all_its_children_and_their_ids() -> None:
    gateway = await a_bundle()
    await gateway.process_change(with_description("fast", version=2))
    (patch,) = gateway.system.calls_made(Purpose.CHANGE)
    assert patch.path == f"/serviceTest/{ROOT}"
    assert list(body_of(patch)) == ["childServiceTest"]
    shown = [(each["id"], each.get("description")) for each in body_of(patch)["childServiceTest"]]
    assert shown == [(FIRST, "fast"), (SECOND, None)]
    assert gateway.updates("TR0001-1") == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_ACCEPTED]
    assert gateway.row("TR0001-1").accepted_version == 2


async def test_without_the_profiles_word_the_child_is_patched() -> None:
    gateway = await a_bundle(children_changed_in="child")
    await gateway.process_change(with_description("fast", version=2))
    assert [patch.path for patch in gateway.system.calls_made(Purpose.CHANGE)] == [f"/serviceTest/{FIRST}"]


async def test_a_cancelled_child_is_carried_no_more() -> None:
    gateway = await a_bundle()
    await gateway.process_cancellation("TR0001-2", root="TR0001")
    tree = with_description("fast", version=2)
    await gateway.process_change(tree.model_copy(update={"children": tree.children[:1]}))
    (patch,) = gateway.system.calls_made(Purpose.CHANGE)
    assert [each["id"] for each in body_of(patch)["childServiceTest"]] == [FIRST]


async def test_as_a_json_patch_the_children_are_replaced() -> None:
    gateway = await a_bundle(media_types={"change": "application/json-patch+json"})
    gateway.system.plan(Purpose.CHANGE, root_showing("fast"))
    await gateway.process_change(with_description("fast", version=2))
    (patch,) = gateway.system.calls_made(Purpose.CHANGE)
    [operation] = orjson.loads(patch.body or b"")
    assert (operation["op"], operation["path"], len(operation["value"])) == ("replace", "/childServiceTest", 2)


async def test_a_root_that_shows_the_child_without_the_change_is_no_acceptance() -> None:
    gateway = await a_bundle()
    gateway.system.plan(Purpose.CHANGE, *[root_showing("slow")] * 3)
    await gateway.process_change(with_description("fast", version=2))
    update = gateway.last_update("TR0001-1")
    assert update.kind is UpdateKind.CHANGE_REFUSED
    assert [(each.code, each.property_path) for each in update.reasons] == [("CHANGE_NOT_SHOWN", "/description")]


async def test_a_refused_patch_of_the_root_refuses_the_change_of_the_child() -> None:
    gateway = await a_bundle()
    gateway.system.plan(Purpose.CHANGE, json_answer(422, {"code": "no", "reason": "because"}))
    await gateway.process_change(with_description("fast", version=2))
    assert gateway.last_update("TR0001-1").kind is UpdateKind.CHANGE_REFUSED
    assert UpdateKind.CHANGE_REFUSED not in gateway.updates()


@pytest.mark.parametrize(
    ("more", "word"),
    [({"dialect": "jobs"}, "is for TMF653"), ({"mapping": {"send": [{"drop": "/description"}]}}, "exclude each other")],
)
def test_a_profile_that_cannot_do_it_says_why(more: dict[str, object], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        a_profile(children_changed_in="root", **more)


def test_a_field_is_changed_in_one_way() -> None:
    with pytest.raises(ValidationError, match="patchable and reposted both have mode"):
        a_profile(patchable=["mode"], reposted=["mode"])


async def test_a_root_whose_nested_run_cannot_be_written_again_shows_nothing_of_the_change() -> None:
    gateway = await a_bundle()
    run = f'{{"id":"{FIRST}","description":"fast","note":{"[" * 600}{"]" * 600}}}'
    body = f'{{"id":"{ROOT}","childServiceTest":[{run}]}}'.encode()
    answer = HttpResponse(status=200, body=body, headers={"content-type": "application/json"})
    gateway.system.plan(Purpose.CHANGE, answer)
    await gateway.process_change(with_description("fast", version=2))
    assert gateway.dead_letter_codes() == []
    assert gateway.row("TR0001-1").accepted_version == 2
