"""A run whose system's answers the rules of its profile miss says so, with the rule to correct; others do not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest

from consumers.inbound.polling.poller import Poller
from consumers.spokes.profile import Profile
from router.responses import HttpResponse, Purpose
from router.runs.reports.unread_fields import ID_NOT_SHOWN, STATE_NOT_SHOWN, answers_without_state
from schemas.inbound import InboundReceived
from schemas.vocabulary import Phase, RunState, UpdateKind
from southbound.operations.run_views import status_sentences
from tests.builders.runs import a_document, a_run
from tests.fakes.external_system import json_answer
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway

POLLED = {"result_channels": ["poll"], "poll_interval": 2, "poll_after": 2}


async def a_posted_run(answer: HttpResponse, **profile: Any) -> InMemoryGateway:  # noqa: ANN401 - any field of a profile
    gateway = InMemoryGateway(profile=POLLED | profile)
    gateway.system.plan(Purpose.SEND, answer)
    await gateway.process_request(a_document())
    return gateway


def a_poller(gateway: InMemoryGateway) -> Poller:
    caller, warn = gateway.caller, gateway.problems.append
    return Poller(caller=caller, store=gateway.store, events=gateway.events, now=gateway.clock, warn=warn)


async def poll(gateway: InMemoryGateway, poller: Poller, *answers: object) -> list[int]:
    """Return how many answers each poll published; each answer is the body of the response to one."""
    published = []
    for answer in answers:
        body = answer if isinstance(answer, bytes) else orjson.dumps(answer)
        gateway.system.plan(Purpose.READ, HttpResponse(status=200, body=body))
        gateway.clock.at += timedelta(minutes=5)
        published.append(await poller.poll_silent_runs(poller.caller.spoke("fibre-lab").profile))
        await gateway.run_until_idle()
    return published


def codes(gateway: InMemoryGateway) -> list[str]:
    return [reason.code for reason in gateway.row().reasons]


async def test_a_rule_to_state_that_misses_is_named_after_three_answers_and_once() -> None:
    rules = {"receive": [{"from": "/zustnd", "to": "/state"}]}
    gateway = await a_posted_run(json_answer(201, {"id": "7", "zustand": "fertig"}), mapping=rules)
    poller, shown = a_poller(gateway), {"id": "7", "zustand": "fertig"}
    assert codes(gateway) == []
    assert answers_without_state(gateway.row()) == 0  # an answer to a POST need not show one
    assert await poll(gateway, poller, shown) == [1]  # the first answer is always published
    assert "1 answer had no state that could be read" in " ".join(status_sentences(gateway.row()))
    assert await poll(gateway, poller, *[shown] * 5) == [0, 1, 0, 0, 0]
    (reason,) = gateway.row().reasons
    assert reason.code == STATE_NOT_SHOWN
    for part in ("mapping.receive", "/state", "mapping.run_at", "state_spellings", "'zustand'", "end_of_run: measures"):
        assert part in reason.message
    assert "fertig" not in reason.message  # names of fields, and no values
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.PROGRESS]
    assert gateway.last_update().reasons == (reason,)
    sentences = status_sentences(gateway.row())
    assert "whose last answers have shown no state" in sentences[0]
    assert any(line.startswith(f"because {STATE_NOT_SHOWN}") for line in sentences)


@pytest.mark.parametrize(
    ("body", "instead"),
    [
        ({"data": {"id": "7", "state": "inProgress"}}, "the fields 'data'"),
        ([{"id": "7"}, {"id": "8"}], "no run: the body is JSON but no run: a list instead of an object"),
        (b"<html>a page</html>", "no run: "),
        (b'"7"', "no run: the body is JSON but no run: a text instead of an object"),
    ],
)
async def test_answers_that_are_no_run_are_told_in_the_same_way(body: object, instead: str) -> None:
    gateway = await a_posted_run(json_answer(201, {"id": "7", "state": "acknowledged"}), mapping={"run_at": "/dta"})
    published = await poll(gateway, a_poller(gateway), *[body] * 6)
    assert published[-3:] == [0, 0, 0]
    (reason,) = gateway.row().reasons
    assert (reason.code, instead in reason.message) == (STATE_NOT_SHOWN, True)
    assert not gateway.dead_lettered


async def test_different_pages_that_are_no_run_are_not_published_for_ever() -> None:
    gateway = await a_posted_run(json_answer(201, {"id": "7", "state": "acknowledged"}))
    pages = [f"<html>{number}</html>".encode() for number in range(8)]
    assert await poll(gateway, a_poller(gateway), *pages) == [0, 0, 1, 0, 0, 0, 0, 0]
    assert codes(gateway) == [STATE_NOT_SHOWN]


async def test_fault_the_third_answer_is_not_counted_if_it_is_the_first_page_of_a_process() -> None:
    gateway = await a_posted_run(json_answer(201, {"id": "7"}), mapping={"run_at": "/run"})
    answers: list[object] = [{"run": {"id": "7", "progress": number}} for number in range(2)]
    await poll(gateway, a_poller(gateway), answers[0])
    await poll(gateway, a_poller(gateway), answers[1])
    await poll(gateway, a_poller(gateway), b"<html>a page</html>")
    assert codes(gateway) == [STATE_NOT_SHOWN]


async def test_what_was_said_is_taken_back_when_a_state_is_read() -> None:
    gateway = await a_posted_run(json_answer(201, {"id": "7"}))
    poller = a_poller(gateway)
    await poll(gateway, poller, *[{"id": "7"}] * 3)
    assert codes(gateway) == [STATE_NOT_SHOWN]
    await poll(gateway, poller, {"id": "7", "state": "completed"})
    (result,) = gateway.results()
    assert (result.state, result.reasons, answers_without_state(gateway.row())) == (RunState.COMPLETED, (), 0)


async def test_answers_without_a_state_count_only_in_a_row() -> None:
    gateway = await a_posted_run(json_answer(201, {"id": "7"}))
    poller = a_poller(gateway)
    for _ in range(3):
        await poll(gateway, poller, {"id": "7"}, {"id": "7", "state": "acknowledged", "testMeasure": [{"id": "M"}]})
    assert STATE_NOT_SHOWN not in codes(gateway)


async def test_notifications_without_a_state_are_told_too() -> None:
    gateway = await a_posted_run(json_answer(201, {"id": "7"}))
    for number in range(3):
        await gateway.process_callback("7", zustand="fertig", testMeasure=[{"id": f"M{number}", "value": 1}])
    assert codes(gateway).count(STATE_NOT_SHOWN) == 1


async def test_notifications_with_a_part_of_a_run_are_not_told_to_have_no_state() -> None:
    gateway = await a_posted_run(json_answer(201, {"id": "7"}))
    for number in range(4):
        run = {"id": "7", "note": "n", "testMeasure": [{"id": f"M{number}", "value": number}]}
        event = {"eventType": "ServiceTestAttributeValueChangeEvent", "event": {"serviceTest": run}}
        for body in (run | {"note": "m"}, event):
            received = gateway.a_callback("7").model_copy(update={"body": orjson.dumps(body)})
            gateway.produce(gateway.names.inbound, received, f"{number} {'event' in body}")
            await gateway.run_until_idle()
    assert (STATE_NOT_SHOWN in codes(gateway), answers_without_state(gateway.row())) == (False, 0)
    assert len(gateway.row().measures) == 4


async def test_a_run_whose_post_was_answered_with_its_state_may_leave_it_out_later() -> None:
    gateway = await a_posted_run(json_answer(201, {"id": "7", "state": "acknowledged"}))
    await poll(gateway, a_poller(gateway), *[{"id": "7"}] * 6)
    assert (codes(gateway), answers_without_state(gateway.row())) == ([], 0)


async def test_answers_that_are_no_run_are_published_without_a_body_so_that_a_previous_version_asks_for_the_run() -> (
    None
):
    gateway = await a_posted_run(json_answer(201, {"id": "7"}))
    await poll(gateway, a_poller(gateway), *[b"<html>a page</html>"] * 3)
    received = [event.data for event in gateway.published_events()]
    (polled,) = [data for data in received if isinstance(data, InboundReceived)]
    assert (polled.body, (polled.event_type or "").startswith("severalAnswersWithoutState, no run: ")) == (b"", True)
    assert codes(gateway) == [STATE_NOT_SHOWN]


async def test_a_system_that_names_its_ids_in_callbacks_is_not_told_to_name_none() -> None:
    channels = {"result_channels": ["callback"]}
    gateway = await a_posted_run(json_answer(201, {"status": "queued"}), id_shown_by="callback", **channels)
    assert (codes(gateway), gateway.row().phase) == ([], Phase.ACCEPTED)


def test_ids_are_not_shown_by_callbacks_that_a_system_does_not_send() -> None:
    with pytest.raises(ValueError, match=r"id_shown_by: callback needs 'callback' among the result_channels"):
        Profile(name="fibre-lab", base_url="http://x/v4", id_shown_by="callback", result_channels=frozenset({"poll"}))


async def test_a_system_without_states_is_not_told_to_have_none() -> None:
    gateway = await a_posted_run(json_answer(201, {"id": "7", "state": None}), end_of_run="measures")
    assert sum(await poll(gateway, a_poller(gateway), *[{"id": "7", "state": None}] * 6)) == 1
    assert (codes(gateway), answers_without_state(gateway.row())) == ([], 0)
    assert gateway.updates() == [UpdateKind.ACCEPTED]


async def test_a_run_whose_state_was_read_is_not_told_to_have_none() -> None:
    row = a_run(phase=Phase.IN_PROGRESS, state=RunState.IN_PROGRESS, external_id="7")
    gateway = InMemoryGateway(store=InMemoryRunStore(row), profile=POLLED)
    await poll(gateway, a_poller(gateway), *[{"id": "7"}] * 6)
    assert codes(gateway) == []


async def test_an_unknown_state_is_told_as_such() -> None:
    gateway = await a_posted_run(json_answer(201, {"id": "7"}))
    await poll(gateway, a_poller(gateway), *[{"id": "7", "state": "zigzag"}] * 4)
    assert codes(gateway) == ["UNKNOWN_STATE"]
    assert "reports a state that is not known, after acknowledged" in status_sentences(gateway.row())[0]


async def test_a_rule_to_id_that_misses_is_named_with_the_acceptance() -> None:
    rules = {"receive": [{"from": "/nummr", "to": "/id"}]}
    gateway = await a_posted_run(json_answer(201, {"nummer": "7", "state": "acknowledged"}), mapping=rules)
    (reason,) = gateway.row().reasons
    assert reason.code == ID_NOT_SHOWN
    for part in ("mapping.receive", "/id", "mapping.run_at", "'nummer'"):
        assert part in reason.message
    assert gateway.last_update().reasons == (reason,)
    assert any("mapping.receive" in line for line in status_sentences(gateway.row()) if line.startswith("next check"))
    name = gateway.system.posted_names()[0]
    gateway.system.plan(Purpose.LOOK_UP, *[json_answer(200, [{"id": "7", "name": name, "state": "acknowledged"}])] * 9)
    await gateway.process_callback("7", name=name, state="inProgress")
    assert (gateway.row().external_id, codes(gateway)) == ("7", [])


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(status=201),
        HttpResponse(status=202),
        json_answer(202, {"status": "queued"}),
        json_answer(201, {"status": "queued"}, location="/serviceTest/7"),
    ],
)
async def test_an_answer_that_need_not_have_an_id_is_no_mistake(answer: HttpResponse) -> None:
    gateway = await a_posted_run(answer)
    assert codes(gateway) == []


async def test_a_notification_that_names_no_run_says_which_rules_to_correct() -> None:
    gateway = await a_posted_run(json_answer(201, {"id": "7"}))
    await gateway.process_callback(None, nummer="7", name="other")
    (problem,) = [letter.problem for _, letter in gateway.dead_lettered]
    assert problem.code == "REPORT_WITHOUT_RUN"
    assert "/id in mapping.receive" in problem.sentence
    assert "'nummer'" in problem.sentence
