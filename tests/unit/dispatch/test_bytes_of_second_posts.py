"""A second POST has the bytes and the key of the first one, or a person has decided that it has others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumers.spokes.port import admit_all, do_nothing
from router.responses import HttpResponse, Purpose
from router.runs.checks.doubt import Doubt
from schemas.lifecycle import RunRequested
from schemas.vocabulary import Phase
from tests.builders.runs import a_document, a_tree
from tests.fakes.external_system import NO_RESPONSE, CallFault, FakeSystem
from tests.harness.crashing_gateway import CrashError
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.spokes.port import Admit, BeforeCall, Call
    from router.responses import NoResponse
    from schemas.run_document import RunDocument

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


async def test_a_body_that_is_too_long_is_not_kept_and_no_other_one_is_sent() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    run = a_document(description="x" * 300_000)
    gateway.produce(gateway.names.lifecycle, RunRequested(run=run), "r")
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.attempt_next(DISPATCH)
    (post,) = gateway.system.calls_made(Purpose.SEND)
    assert gateway.row().doubt is not None
    assert gateway.row().doubt.body == ""  # type: ignore[union-attr] # it is in doubt
    assert gateway.row().doubt.key == post.idempotency_key  # type: ignore[union-attr]
    gateway.profile = {**gateway.profile, **OTHER_BYTES}
    await gateway.run_until_idle()
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    assert gateway.dead_letter_codes() == ["BODY_CHANGED"]


class KillingSystem(FakeSystem):
    """Kills its caller once, when a POST is about to be written."""

    def __init__(self) -> None:
        super().__init__()
        self.killed = False

    async def call(
        self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
    ) -> HttpResponse | NoResponse:
        if call.purpose is Purpose.SEND and not self.killed:
            self.killed = True
            await before()
            raise CrashError
        return await FakeSystem.call(self, spoke, call, before, admit)


async def a_killed_post(run: RunDocument | None = None) -> InMemoryGateway:
    """Return a gateway whose process was killed when it was about to write a POST."""
    gateway = InMemoryGateway(system=KillingSystem())
    gateway.produce(gateway.names.lifecycle, RunRequested(run=run or a_document()), "r")
    await gateway.process_next(gateway.names.lifecycle)
    with pytest.raises(CrashError):
        await gateway.attempt_next(DISPATCH)
    assert gateway.row().phase is Phase.SENDING
    return gateway


async def test_after_a_kill_and_a_change_of_the_profile_no_other_body_is_sent() -> None:
    gateway = await a_killed_post()
    gateway.profile = {**gateway.profile, **OTHER_BYTES}
    await gateway.run_until_idle()
    assert gateway.system.calls_made(Purpose.LOOK_UP)
    assert gateway.system.posted_names() == []
    assert gateway.row().phase is Phase.FALLOUT
    assert gateway.dead_letter_codes() == ["BODY_CHANGED"]
    assert [reason.code for reason in gateway.last_update().reasons] == ["BODY_CHANGED"]


async def test_after_a_kill_the_same_body_is_sent_under_the_same_key() -> None:
    gateway = await a_killed_post()
    before = gateway.row().doubt
    await gateway.run_until_idle()
    assert gateway.row().phase is Phase.ACCEPTED
    assert gateway.dead_lettered == []
    assert before is not None
    assert [call.idempotency_key for call in gateway.system.calls_made(Purpose.SEND)][-1:] == [before.key]


async def test_after_a_kill_a_change_of_the_run_changes_no_bytes() -> None:
    gateway = await a_killed_post()
    await gateway.process_change(a_document(version=2, description="another"))
    assert gateway.dead_lettered == []
    assert gateway.row().phase is Phase.ACCEPTED


async def test_after_a_kill_a_bundle_is_sent_under_the_same_key() -> None:
    gateway = await a_killed_post(a_tree(spec="fibre-bundle", children=2))
    kept = {row.run_id: row.doubt.key if row.doubt else "" for row in gateway.store.runs.values()}
    await gateway.run_until_idle()
    assert gateway.row().phase is Phase.ACCEPTED
    (*_, post) = gateway.system.calls_made(Purpose.SEND)
    assert kept == {"TR0001": post.idempotency_key, "TR0001-1": "", "TR0001-2": ""}


@pytest.mark.parametrize("look_up", ["name", "none"])
async def test_who_redrives_it_has_decided_that_the_new_body_is_sent(look_up: str) -> None:
    gateway = await a_killed_post()
    gateway.profile = {**gateway.profile, **OTHER_BYTES}
    await gateway.run_until_idle()
    gateway.profile = {**gateway.profile, "look_up": look_up}
    ((record, _),) = gateway.dead_lettered
    gateway.produce_bytes(record.partition.topic, record.value, (*record.headers, ("southbound-replay", b"redrive-1")))
    await gateway.run_until_idle()
    assert gateway.row().phase is Phase.ACCEPTED
    assert len(gateway.system.posted_names()) == 1
    assert b"testRunId" in (gateway.system.calls_made(Purpose.SEND)[-1].body or b"")


async def test_a_record_that_is_read_again_before_its_commit_is_no_decision() -> None:
    gateway = await a_killed_post()
    gateway.profile = {**gateway.profile, **OTHER_BYTES}
    await gateway.run_until_idle()
    ((record, _),) = gateway.dead_lettered
    gateway.redeliver(record)
    await gateway.run_until_idle()
    assert gateway.system.posted_names() == []
    assert gateway.dead_letter_codes() == ["BODY_CHANGED", "BODY_CHANGED"]


async def test_the_good_path_keeps_no_bytes() -> None:
    gateway = InMemoryGateway()
    phases = []

    async def look(call: Call) -> None:
        phases.append((gateway.row().phase, gateway.row().doubt, call.idempotency_key))

    gateway.system.on_call = look
    await gateway.process_request(a_document())
    ((phase, doubt, key),) = phases
    assert (phase, doubt) == (Phase.SENDING, Doubt(key=key or ""))
    assert gateway.row().doubt is None


async def test_an_attempt_without_effect_leaves_no_doubt() -> None:
    gateway = await a_run_in_doubt(HttpResponse(status=503))
    assert (gateway.row().phase, gateway.row().doubt) == (Phase.RETRYING, None)
