"""No run is POSTed again while the external system may have it, whatever the system answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from consumers.spokes.port import admit_all, do_nothing
from router.responses import HttpResponse, NoResponse, Purpose
from schemas.lifecycle import RunRequested
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import NOON, a_document
from tests.fakes.external_system import REFUSED_CONNECTION, CallFault, FakeSystem, json_answer
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.spokes.port import Admit, BeforeCall, Call

    ListedRuns = list[dict[str, object]]

WORKER_DIED = HttpResponse(status=500, body=b'{"code": "500", "reason": "worker died"}')
OTHERS: ListedRuns = [{"id": f"o{number}", "name": f"of somebody else {number}"} for number in range(20)]
SETTLE = 60.0  # seconds, without a setting in the profile


class OddListing(FakeSystem):
    """Stores what is POSTed, and answers look-ups in its own way."""

    def __init__(self, listing: Callable[[Call, ListedRuns], HttpResponse]) -> None:
        super().__init__()
        self.listing = listing

    async def call(
        self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
    ) -> HttpResponse | NoResponse:
        answer = await FakeSystem.call(self, spoke, call, before, admit)
        if call.purpose is Purpose.LOOK_UP and isinstance(answer, HttpResponse):
            return self.listing(call, list(self.tests.values()))
        return answer


def page_of(runs: ListedRuns, call: Call, **headers: str) -> HttpResponse:
    offset = int(dict(call.query).get("offset", "0"))
    return json_answer(200, runs[offset : offset + 20], **headers)


def renamed(runs: ListedRuns, name: Callable[[str], str]) -> ListedRuns:
    return [{"id": run["id"], "name": name(str(run["name"])), "state": "acknowledged"} for run in runs]


def by_name(runs: ListedRuns, call: Call) -> ListedRuns:
    wanted = dict(call.query).get("name")
    return [run for run in runs if wanted in {None, run["name"]}]


# What a system does with the run that it stored, and what it answers when it is asked for it by name.
HABITS: dict[str, Callable[[Call, ListedRuns], HttpResponse]] = {
    "ignores the filter and shows the first page of others": lambda _call, _runs: json_answer(200, OTHERS),
    "links to a next page without quotes": lambda _call, _runs: json_answer(
        200, OTHERS, link="</b/rel-next/serviceTest?offset=20>; rel=next"
    ),
    "counts more than it shows": lambda _call, _runs: json_answer(200, OTHERS, **{"x-total-count": "21"}),
    "shows a part": lambda _call, _runs: json_answer(206, OTHERS),
    "answers with nothing": lambda _call, _runs: HttpResponse(status=200),
    "answers with no content": lambda _call, _runs: HttpResponse(status=204),
    "answers null": lambda _call, _runs: json_answer(200, None),
    "wraps the list": lambda _call, _runs: json_answer(200, {"items": [], "total": 0}),
    "shows runs without names": lambda _call, runs: json_answer(200, [{"id": run["id"]} for run in runs]),
    "stores names in capitals": lambda call, runs: page_of(by_name(renamed(runs, str.upper), call), call),
    "shortens names": lambda call, runs: page_of(by_name(renamed(runs, lambda name: name[:10]), call), call),
    "escapes names": lambda call, runs: page_of(
        by_name(renamed(runs, lambda name: name.replace(" ", "&#32;")), call), call
    ),
    "names runs itself": lambda call, runs: page_of(by_name(renamed(runs, lambda _: "ServiceTest"), call), call),
    "always shows an empty list by name, and others without it": lambda call, _runs: (
        json_answer(200, []) if "name" in dict(call.query) else page_of([*OTHERS, *OTHERS], call)
    ),
    "ignores the offset": lambda call, _runs: json_answer(200, [] if "name" in dict(call.query) else OTHERS),
    "answers every list with an empty one": lambda _call, _runs: json_answer(200, [], **{"x-total-count": "1"}),
}


@pytest.mark.parametrize("habit", HABITS)
async def test_a_run_that_the_system_stored_is_never_posted_twice(habit: str) -> None:
    gateway = InMemoryGateway(system=OddListing(HABITS[habit]))
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    await gateway.process_request(a_document())
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    assert gateway.row().phase is Phase.FALLOUT
    assert [letter.problem.code for _, letter in gateway.dead_lettered] == ["IN_DOUBT"]


@pytest.mark.parametrize("status", [400, 403, 404, 405, 422, 500, 503])
async def test_a_look_up_that_fails_for_ever_never_ends_in_a_post(status: int) -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    gateway.system.plan(Purpose.LOOK_UP, *[HttpResponse(status=status)] * 20)
    await gateway.process_request(a_document())
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


@pytest.mark.parametrize("count", [None, "0"])
async def test_an_empty_list_does_not_prove_absence_at_a_system_that_has_another_run(count: str | None) -> None:
    counted = {} if count is None else {"x-total-count": count}
    gateway = InMemoryGateway(system=OddListing(lambda _call, _runs: json_answer(200, [], **counted)))
    await gateway.process_request(a_document("TR0009"))
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    await gateway.process_request(a_document())
    assert [name.split()[-1] for name in gateway.system.posted_names()] == ["TR0009", "TR0001"]
    assert gateway.row().phase is Phase.FALLOUT


async def test_an_uncounted_empty_list_proves_nothing_at_a_system_without_any_other_run() -> None:
    gateway = InMemoryGateway(system=OddListing(lambda _call, _runs: json_answer(200, [])))
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    await gateway.process_request(a_document())
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


async def test_a_list_that_shows_one_run_twice_while_it_changes_is_not_whole() -> None:
    def listing(call: Call, runs: ListedRuns) -> HttpResponse:
        if "name" in dict(call.query):
            return json_answer(200, [])
        second = int(dict(call.query).get("offset", "0")) > 0
        shown = [OTHERS[19]] if second else OTHERS  # something was deleted in front, so ours moved to the first page
        return json_answer(200, shown, **{"x-total-count": "21"})

    gateway = InMemoryGateway(system=OddListing(listing))
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    await gateway.process_request(a_document())
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


async def test_a_run_on_a_later_page_is_found() -> None:
    def listing(call: Call, runs: ListedRuns) -> HttpResponse:
        more: ListedRuns = [{"id": f"p{number}", "name": f"of somebody else {number}"} for number in range(20)]
        shown = [*OTHERS, *more, *renamed(runs, str)]
        return page_of(shown, call, **{"x-total-count": str(len(shown))})

    gateway = InMemoryGateway(system=OddListing(listing))
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    await gateway.process_request(a_document())
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    assert gateway.row().external_id == "ext-TR0001"


async def test_a_filter_that_finds_another_run_proves_absence_although_the_list_is_too_long() -> None:
    def listing(call: Call, runs: ListedRuns) -> HttpResponse:
        if "name" in dict(call.query):
            return json_answer(200, by_name(runs, call))
        return json_answer(206, OTHERS)

    gateway = InMemoryGateway(system=OddListing(listing))
    await gateway.process_request(a_document("TR0009"))
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.ACCEPTED
    assert [name.split()[-1] for name in gateway.system.posted_names()] == ["TR0009", "TR0001", "TR0001"]


async def test_a_slow_system_that_stores_the_run_after_twenty_seconds_gets_one_post() -> None:
    gateway = InMemoryGateway()
    hidden: ListedRuns = []

    def listing(call: Call, runs: ListedRuns) -> HttpResponse:
        late = (gateway.clock.at - NOON).total_seconds() >= 20
        return json_answer(200, by_name(runs, call) if late else hidden, **{"x-total-count": "1" if late else "0"})

    gateway.system = OddListing(listing)
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    await gateway.process_request(a_document())
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    assert gateway.row().phase is Phase.ACCEPTED


async def test_another_post_needs_three_answers_and_the_settle_time() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_request(a_document())
    filtered = [call for call in gateway.system.calls_made(Purpose.LOOK_UP) if "name" in dict(call.query)]
    assert len(filtered) >= 3
    assert (gateway.clock.at - NOON).total_seconds() >= SETTLE
    assert len(gateway.system.calls_made(Purpose.SEND)) == 2


async def test_another_post_has_the_bytes_and_the_key_of_the_first_although_the_run_was_changed() -> None:
    gateway = InMemoryGateway(profile={"patchable": ["description"]})
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    gateway.produce(gateway.names.lifecycle, _requested(), "r")
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.attempt_next(gateway.names.dispatch("fibre-lab"))
    await gateway.process_change(a_document(version=2, description="another"))
    first, second = gateway.system.calls_made(Purpose.SEND)
    assert (first.body, first.idempotency_key) == (second.body, second.idempotency_key)
    (patch,) = gateway.system.calls_made(Purpose.CHANGE)
    assert orjson.loads(patch.body or b"") == {"description": "another"}
    assert gateway.row().accepted_version == 2


async def test_a_changed_run_whose_first_post_had_no_effect_is_sent_under_another_key() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, HttpResponse(status=503))
    gateway.produce(gateway.names.lifecycle, _requested(), "r")
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.attempt_next(gateway.names.dispatch("fibre-lab"))
    await gateway.process_change(a_document(version=2, description="another"))
    first, second = gateway.system.calls_made(Purpose.SEND)
    assert first.body != second.body
    assert first.idempotency_key != second.idempotency_key


@pytest.mark.parametrize("status", [400, 404, 409, 418, 422])
async def test_a_refusal_of_a_second_post_does_not_end_a_run_that_the_system_has(status: int) -> None:
    gateway = InMemoryGateway()
    stored: ListedRuns = []

    def listing(call: Call, runs: ListedRuns) -> HttpResponse:
        shown = by_name(runs, call) if len(gateway.system.calls_made(Purpose.SEND)) > 1 else stored
        return json_answer(200, shown, **{"x-total-count": str(len(shown))})

    gateway.system = OddListing(listing)
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST, HttpResponse(status=status))
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.ACCEPTED
    assert gateway.row().external_id == "ext-TR0001"
    assert gateway.results() == []


async def test_a_refusal_of_a_second_post_is_the_result_once_the_run_is_certainly_absent() -> None:
    gateway = InMemoryGateway()
    refusal = json_answer(422, {"code": "referenceNotFound", "reason": "no such line"})
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST, refusal)
    await gateway.process_request(a_document())
    (result,) = gateway.results()
    assert (result.state, result.reasons[0].code) == (RunState.REJECTED, "referenceNotFound")
    assert (gateway.clock.at - NOON).total_seconds() >= 2 * SETTLE


async def test_a_second_post_that_was_certainly_not_sent_is_repeated_after_a_look_up() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST, REFUSED_CONNECTION, HttpResponse(status=503))
    await gateway.process_request(a_document())
    calls = [call.purpose for call in gateway.system.calls_made(*Purpose)]
    posts = [place for place, purpose in enumerate(calls) if purpose is Purpose.SEND]
    assert len(posts) == 4
    assert all(calls[place - 1] is Purpose.LOOK_UP for place in posts[1:])
    assert gateway.row().phase is Phase.ACCEPTED


async def test_a_refusal_after_an_outage_is_looked_up_if_an_earlier_post_was_in_doubt() -> None:
    gateway = InMemoryGateway()
    refusal = json_answer(422, {"code": "nameExists", "reason": "it exists"})
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST, REFUSED_CONNECTION, refusal)
    await gateway.process_request(a_document())
    assert [result.reasons[0].code for result in gateway.results()] == ["nameExists"]
    assert gateway.system.calls_made(*Purpose)[-1].purpose is Purpose.LOOK_UP


async def test_a_success_that_cannot_be_read_is_never_followed_by_another_post() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, HttpResponse(status=201, body=b"<html>"))
    await gateway.process_request(a_document())
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    assert gateway.row().phase is Phase.FALLOUT
    assert UpdateKind.IN_DOUBT in gateway.updates()


@pytest.mark.parametrize("status", [203, 205, 207, 226])
async def test_a_success_that_the_profile_does_not_name_is_never_followed_by_another_post(status: int) -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, HttpResponse(status=status))
    await gateway.process_request(a_document())
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    assert gateway.row().phase is Phase.FALLOUT


async def test_a_success_whose_body_breaks_off_is_never_followed_by_another_post() -> None:
    gateway = InMemoryGateway()
    broken = NoResponse(perhaps_sent=True, cause="the answer broke off", was_accepted=True)
    gateway.system.plan(Purpose.SEND, broken)
    await gateway.process_request(a_document())
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    assert gateway.row().phase is Phase.FALLOUT


class StoresAndAnswers(FakeSystem):
    """Stores what is POSTed, and answers with a status that does not say so."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status

    async def call(
        self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
    ) -> HttpResponse | NoResponse:
        answer = await FakeSystem.call(self, spoke, call, before, admit)
        return HttpResponse(status=self.status) if call.purpose is Purpose.SEND else answer


@pytest.mark.parametrize("status", [101, 300, 301, 302, 303, 304, 307, 308, 399, 406, 408, 417, 460, 499, 500, 520])
async def test_a_stored_run_whose_post_is_answered_without_certainty_is_adopted(status: int) -> None:
    gateway = InMemoryGateway(system=StoresAndAnswers(status))
    await gateway.process_request(a_document())
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1  # it was POSTed again for ever
    assert (gateway.row().phase, gateway.row().external_id) == (Phase.ACCEPTED, "ext-TR0001")


@pytest.mark.parametrize("status", [301, 406])
async def test_a_system_that_never_says_whether_it_has_a_run_ends_in_doubt_and_not_in_endless_posts(
    status: int,
) -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[HttpResponse(status=status)] * 40)
    await gateway.process_request(a_document())
    assert [letter.problem.code for _, letter in gateway.dead_lettered] == ["IN_DOUBT"]
    assert len(gateway.system.calls_made(Purpose.SEND)) <= 4  # the attempts of the profile


async def test_sending_is_stored_when_the_call_has_its_slot() -> None:
    gateway = InMemoryGateway()
    phases: list[Phase] = []

    class WithSlots(FakeSystem):
        async def call(
            self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
        ) -> HttpResponse | NoResponse:
            phases.append(gateway.row().phase)

            async def at_its_turn() -> None:
                await before()
                phases.append(gateway.row().phase)

            return await FakeSystem.call(self, spoke, call, at_its_turn, admit)

    gateway.system = WithSlots()
    await gateway.process_request(a_document())
    assert phases == [Phase.ROUTED, Phase.SENDING]


def _requested() -> RunRequested:
    return RunRequested(run=a_document())
