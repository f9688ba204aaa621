"""A second POST has the bytes and the key of the first one, although the profile writes others by then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from router.responses import HttpResponse, Purpose
from schemas.lifecycle import RunRequested
from schemas.vocabulary import Phase
from tests.builders.runs import a_document, a_tree
from tests.fakes.external_system import NO_RESPONSE, CallFault
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.spokes.port import Call
    from router.responses import NoResponse

DISPATCH = "testrun.dispatch.fibre-lab"
OTHER_BYTES: dict[str, object] = {"relationship_encoding": "characteristic"}


async def a_run_in_doubt(*reactions: HttpResponse | NoResponse | CallFault) -> InMemoryGateway:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *reactions)
    gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document()), "r")
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.attempt_next(DISPATCH)
    gateway.profile = {**gateway.profile, **OTHER_BYTES}
    return gateway


async def test_a_second_post_has_the_bytes_and_the_key_of_the_first_although_the_profile_was_changed() -> None:
    gateway = await a_run_in_doubt(CallFault.REQUEST_LOST)
    await gateway.run_until_idle()
    first, second = gateway.system.calls_made(Purpose.SEND)
    assert (first.body, first.idempotency_key) == (second.body, second.idempotency_key)
    assert gateway.row().phase is Phase.ACCEPTED
    assert gateway.row().doubt is None


async def test_a_third_post_has_them_too() -> None:
    gateway = await a_run_in_doubt(CallFault.REQUEST_LOST, CallFault.REQUEST_LOST)
    await gateway.run_until_idle()
    posts = gateway.system.calls_made(Purpose.SEND)
    assert len(posts) == 3
    assert len({(post.body, post.idempotency_key) for post in posts}) == 1


async def test_a_post_after_one_that_had_no_effect_is_as_the_profile_says_by_then() -> None:
    gateway = await a_run_in_doubt(HttpResponse(status=503))
    await gateway.run_until_idle()
    first, second = gateway.system.calls_made(Purpose.SEND)
    assert first.body != second.body
    assert first.idempotency_key != second.idempotency_key


@pytest.mark.parametrize("reaction", [CallFault.REQUEST_LOST, NO_RESPONSE])
async def test_a_redriven_run_is_sent_as_the_profile_says_by_then(
    reaction: HttpResponse | NoResponse | CallFault,
) -> None:
    gateway = await a_run_in_doubt(reaction)
    gateway.profile = {**gateway.profile, "look_up": "none"}
    await gateway.run_until_idle()
    ((record, _),) = gateway.dead_lettered
    assert gateway.row().phase is Phase.FALLOUT
    headers = (*record.headers, ("southbound-replay", b"redrive-1"))
    gateway.produce_bytes(record.partition.topic, record.value, headers)
    await gateway.run_until_idle()
    first, second = gateway.system.calls_made(Purpose.SEND)
    assert b"testRunId" in (second.body or b"")
    assert first.idempotency_key != second.idempotency_key


async def test_only_the_root_of_a_bundle_keeps_the_bytes() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, NO_RESPONSE)
    gateway.produce(gateway.names.lifecycle, RunRequested(run=a_tree(spec="fibre-bundle", children=2)), "r")
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.attempt_next(DISPATCH)
    kept = {row.run_id: row.doubt.body if row.doubt else "" for row in gateway.store.runs.values()}
    (post,) = gateway.system.calls_made(Purpose.SEND)
    assert kept == {"TR0001": (post.body or b"").decode(), "TR0001-1": "", "TR0001-2": ""}


async def test_a_body_that_is_too_long_is_not_kept() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, NO_RESPONSE)
    run = a_document(description="x" * 300_000)
    gateway.produce(gateway.names.lifecycle, RunRequested(run=run), "r")
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.attempt_next(DISPATCH)
    assert gateway.row().doubt is not None
    assert gateway.row().doubt.body == ""  # type: ignore[union-attr] # it is in doubt


async def test_the_good_path_keeps_no_bytes() -> None:
    gateway = InMemoryGateway()
    phases = []

    async def look(call: Call) -> None:
        phases.append((gateway.row().phase, gateway.row().doubt))

    gateway.system.on_call = look
    await gateway.process_request(a_document())
    assert phases == [(Phase.SENDING, None)]
