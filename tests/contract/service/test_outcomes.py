"""Every row of the tables of outcomes (domain facts, sections 8.2 and 8.3) is what happens, by a case of its name."""

# ruff: noqa: F811, F401 - a fixture is imported and requested by its name

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from consumers.inbound.listener import ListenerLimits
from consumers.metrics import METRICS, Metrics
from consumers.record_timeline import TimelineRecorder
from consumers.runtime.handler import DeadLetter, RetryLater
from router.outcomes import CALL_OUTCOMES, FAULT_CODES, FAULTS_COUNTER, REPORT_EXCEPTIONS
from router.responses import HttpResponse, NoResponse, Purpose
from schemas.inbound import InboundReceived
from schemas.results import Reason
from schemas.run_document import RequestedMeasure
from schemas.vocabulary import Channel, Phase, RunState, UpdateKind
from southbound.service.composition.observers import row_observer
from tests.architecture.reported_codes import reported_codes
from tests.builders.runs import NOON, a_document, a_run
from tests.contract.inbound.test_listener import EVENT, a_listener
from tests.contract.northbound.test_writeback import desk, ended_run, instance
from tests.fakes.external_system import NO_RESPONSE, REFUSED_CONNECTION, json_answer
from tests.fakes.run_store import InMemoryRunStore, InMemoryTimelines
from tests.harness.gateway import InMemoryGateway
from tests.harness.writeback import result_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.harness.writeback import WritebackHarness

    Case = Callable[[], Awaitable[None]]

CALL_CASES: dict[str, Case] = {}
REPORT_CASES: dict[str, Case] = {}
RUN = {"id": "ext-TR0001", "name": "Line test TR0001", "state": "acknowledged"}
PATCHABLE = {"patchable": ["description"]}


def case(cases: dict[str, Case], name: str) -> Callable[[Case], Case]:
    """Make a function the case of a row."""

    def add(function: Case) -> Case:
        assert name not in cases
        cases[name] = function
        return function

    return add


async def after_post(*answers: HttpResponse | NoResponse | None, **profile: Any) -> InMemoryGateway:  # noqa: ANN401
    """Return a gateway that has sent a run, which the system answers so; then it accepts."""
    gateway = InMemoryGateway(profile=profile)
    gateway.system.plan(Purpose.SEND, *answers)
    await gateway.process_request(a_document())
    return gateway


async def after_change(answer: HttpResponse | NoResponse) -> InMemoryGateway:
    gateway = await after_post(**PATCHABLE)
    gateway.system.plan(Purpose.CHANGE, answer)
    await gateway.process_change(a_document(version=2, description="other"))
    return gateway


def posts(gateway: InMemoryGateway) -> int:
    return len(gateway.system.calls_made(Purpose.SEND))


def assert_accepted_in_the_end(gateway: InMemoryGateway) -> None:
    assert gateway.row().external_id == "ext-TR0001"
    assert gateway.dead_lettered == []
    assert gateway.results() == []


# Outcomes of calls


@case(CALL_CASES, "accepted")
async def accepted() -> None:
    assert_accepted_in_the_end(await after_post(json_answer(200, RUN)))
    final = {**RUN, "state": "completed", "testMeasure": [{"metricName": "speed", "value": 1}]}
    gateway = await after_post(json_answer(201, final))
    assert [measure.metric_name for measure in gateway.results()[0].test_measure] == ["speed"]


@case(CALL_CASES, "accepted for later")
async def accepted_for_later() -> None:
    gateway = await after_post(HttpResponse(status=202))
    assert gateway.row().phase is Phase.ACCEPTED
    gateway.system.plan(Purpose.LOOK_UP, json_answer(200, [RUN]))
    await gateway.advance(60)
    assert_accepted_in_the_end(gateway)
    assert posts(gateway) == 1


@case(CALL_CASES, "success that cannot be read")
async def unreadable_success() -> None:
    for answer in (HttpResponse(status=201, body=b"<html>"), HttpResponse(status=299)):
        gateway = InMemoryGateway()
        gateway.system.plan(Purpose.SEND, answer)
        gateway.system.plan(Purpose.LOOK_UP, json_answer(200, [RUN]))
        await gateway.process_request(a_document())
        assert UpdateKind.IN_DOUBT in gateway.updates()
        assert_accepted_in_the_end(gateway)
        assert posts(gateway) == 1


@case(CALL_CASES, "data refused")
async def data_refused() -> None:
    for status in (400, 422):
        gateway = await after_post(json_answer(status, {"code": "noLine", "reason": "there is none"}))
        (result,) = gateway.results()
        assert (result.state, result.reasons[0].code) == (RunState.REJECTED, "noLine")
        assert posts(gateway) == 1


async def assert_waits(*answers: HttpResponse | NoResponse) -> None:
    """Assert that a run waits while the system answers so, and is accepted, once, when it does no longer."""
    for answer in answers:
        gateway = await after_post(answer, answer)
        assert_accepted_in_the_end(gateway)
        assert len(gateway.retries) >= 2
        assert {retry.problem.code for retry in gateway.retries} <= {"CALL_CONFIGURATION", "CALL_TRANSIENT"}


@case(CALL_CASES, "credentials")
async def credentials() -> None:
    await assert_waits(HttpResponse(status=401), HttpResponse(status=403))


@case(CALL_CASES, "wrong address or method")
async def wrong_address() -> None:
    await assert_waits(*(HttpResponse(status=status) for status in (404, 405, 415, 501)))
    gateway = await after_change(HttpResponse(status=405))
    assert UpdateKind.CHANGE_REFUSED in gateway.updates()


@case(CALL_CASES, "not acceptable")
async def not_acceptable() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, HttpResponse(status=406))
    gateway.system.plan(Purpose.LOOK_UP, json_answer(200, [RUN]))
    await gateway.process_request(a_document())
    assert_accepted_in_the_end(gateway)
    assert posts(gateway) == 1


@case(CALL_CASES, "lost at the system")
async def lost() -> None:
    gateway = await after_change(HttpResponse(status=404))
    assert UpdateKind.CHANGE_REFUSED in gateway.updates()
    gone = InMemoryGateway(profile={"lost_after": 60})
    await gone.process_request(a_document())
    gone.system.plan(Purpose.READ, *[HttpResponse(status=404)] * 20)
    await gone.process_callback("ext-TR0001", event_id="thin")
    await gone.advance(200, step=5)
    assert gone.results()[0].reasons[-1].code == "LOST"


@case(CALL_CASES, "conflict")
async def conflict() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, HttpResponse(status=409))
    gateway.system.plan(Purpose.LOOK_UP, json_answer(200, [RUN]))
    await gateway.process_request(a_document())
    assert_accepted_in_the_end(gateway)
    changed = await after_change(HttpResponse(status=409))
    assert UpdateKind.CHANGE_REFUSED in changed.updates()
    assert changed.row().phase is Phase.ACCEPTED


@case(CALL_CASES, "transient")
async def transient() -> None:
    statuses = (408, 425, 429, 500, 502, 503, 504)
    answers: list[HttpResponse | NoResponse] = [HttpResponse(status=status) for status in statuses]
    for answer in (*answers, REFUSED_CONNECTION):
        gateway = await after_post(answer)
        assert_accepted_in_the_end(gateway)
        assert gateway.retries
    busy = await after_post(HttpResponse(status=429, headers={"retry-after": "77"}))
    assert busy.retries[0].delay >= 77
    changed = await after_change(HttpResponse(status=500))
    assert UpdateKind.CHANGE_ACCEPTED in changed.updates()


@case(CALL_CASES, "no answer after the request")
async def no_answer() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, NO_RESPONSE)
    gateway.system.plan(Purpose.LOOK_UP, json_answer(200, [RUN]))
    await gateway.process_request(a_document())
    assert_accepted_in_the_end(gateway)
    assert posts(gateway) == 1
    assert UpdateKind.CHANGE_ACCEPTED in (await after_change(NO_RESPONSE)).updates()


@case(CALL_CASES, "invalid certificate")
async def invalid_certificate() -> None:
    await assert_waits(NoResponse(perhaps_sent=False, cause="the certificate has expired", certificate_invalid=True))


# Exceptions in reports


async def reported(*measures: object, requested: tuple[RequestedMeasure, ...] = (), **fields: Any) -> InMemoryGateway:  # noqa: ANN401
    """Return a gateway whose run has completed with these measures."""
    gateway = InMemoryGateway()
    document = a_document(measures=("M1",))
    await gateway.process_request(document.model_copy(update={"test_measure": requested or document.test_measure}))
    await gateway.process_callback("ext-TR0001", **{"state": "completed", "testMeasure": list(measures), **fields})
    await gateway.advance(120, step=10)
    return gateway


def codes_of(gateway: InMemoryGateway) -> set[str]:
    return {reason.code for reason in gateway.row().reasons}


def raw(gateway: InMemoryGateway, body: bytes) -> InboundReceived:
    return InboundReceived(spoke="fibre-lab", channel=Channel.CALLBACK, received_at=gateway.clock(), body=body)


async def process(gateway: InMemoryGateway, received: InboundReceived) -> None:
    gateway.produce(gateway.names.inbound, received, "E1")
    await gateway.run_until_idle()


@case(REPORT_CASES, "malformed JSON")
async def malformed() -> None:
    gateway = await after_post()
    await process(gateway, raw(gateway, b'{"event": '))
    ((record, letter),) = gateway.dead_lettered
    assert letter.problem.code == "REPORT_UNREADABLE"
    assert b'{"event": ' in (record.value or b"")


@case(REPORT_CASES, "schema invalid")
async def schema_invalid() -> None:
    gateway = await reported("broken", {"id": "M1", "value": 1})
    assert codes_of(gateway) == {"MEASURE_UNREADABLE"}
    assert [measure.id for measure in gateway.results()[-1].test_measure] == ["M1"]


@case(REPORT_CASES, "unknown event type")
async def unknown_event_type() -> None:
    gateway = await after_post()
    event = {"eventType": "ServiceTestCompleteEvent", "event": {"serviceTest": {**RUN, "state": "inProgress"}}}
    await process(gateway, raw(gateway, orjson.dumps(event)))
    assert gateway.row().state is RunState.IN_PROGRESS
    about_another = {"eventType": "ServiceTestSpecificationCreateEvent", "event": {"serviceTestSpecification": {}}}
    await process(gateway, raw(gateway, orjson.dumps(about_another)))
    assert gateway.dead_lettered == []


@case(REPORT_CASES, "unknown test id")
async def unknown_id() -> None:
    gateway = await after_post()
    await gateway.process_callback("elsewhere", state="completed")
    assert [letter.problem.code for _, letter in gateway.dead_lettered] == ["REPORT_WITHOUT_RUN"]
    assert gateway.retries


@case(REPORT_CASES, "wrong system for the id")
async def wrong_system() -> None:
    other = a_run("TR9", spoke="copper-lab", phase=Phase.ACCEPTED, external_id="X1")
    gateway = InMemoryGateway(store=InMemoryRunStore(other))
    await gateway.process_callback("X1", state="completed")
    assert [letter.problem.code for _, letter in gateway.dead_lettered] == ["REPORT_WITHOUT_RUN"]
    assert gateway.store.runs["TR9"] == other


@case(REPORT_CASES, "unknown state")
async def unknown_state() -> None:
    gateway = await after_post()
    await gateway.process_callback("ext-TR0001", state="zigzag")
    assert (gateway.row().state, codes_of(gateway)) == (RunState.ACKNOWLEDGED, {"UNKNOWN_STATE"})
    assert gateway.unknown_states == ["fibre-lab"]


@case(REPORT_CASES, "no id")
async def no_id() -> None:
    gateway = await after_post(json_answer(201, {"nummer": "7", "state": "acknowledged"}))
    assert (gateway.row().phase, codes_of(gateway)) == (Phase.ACCEPTED, {"ID_NOT_SHOWN"})
    assert posts(gateway) == 1
    gateway.system.plan(Purpose.LOOK_UP, json_answer(200, [RUN]))
    await gateway.advance(60)
    assert_accepted_in_the_end(gateway)
    assert codes_of(gateway) == set()


@case(REPORT_CASES, "no state")
async def no_state() -> None:
    gateway = await after_post(json_answer(201, {"id": "ext-TR0001"}))
    for number in range(3):
        await gateway.process_callback("ext-TR0001", zustand="fertig", testMeasure=[{"id": f"M{number}", "value": 1}])
    assert (gateway.row().state, "STATE_NOT_SHOWN" in codes_of(gateway)) == (RunState.ACKNOWLEDGED, True)
    await gateway.process_callback("ext-TR0001", state="completed")
    assert (gateway.row().state, "STATE_NOT_SHOWN" in codes_of(gateway)) == (RunState.COMPLETED, False)


@case(REPORT_CASES, "illegal transition")
async def illegal_transition() -> None:
    gateway = await reported({"id": "M1", "value": 1})
    await gateway.process_callback("ext-TR0001", state="failed", testMeasure=[{"id": "M1", "value": 2}])
    assert (gateway.row().state, codes_of(gateway)) == (RunState.COMPLETED, {"STALE_REPORT", "LATE_MEASURES"})
    assert UpdateKind.STALE in gateway.updates()


@case(REPORT_CASES, "measure without id")
async def measure_without_id() -> None:
    gateway = await reported({"id": "M1", "value": 1}, {"metricName": "other", "value": 2})
    assert codes_of(gateway) == {"MEASURE_ID_MISSING"}
    assert gateway.results()[-1].result == "inconclusive"
    assert all(measure.id for measure in gateway.results()[-1].test_measure)


@case(REPORT_CASES, "unknown measure")
async def unknown_measure() -> None:
    gateway = await reported({"id": "M1", "value": 1}, {"id": "M9", "metricName": "other", "value": 2})
    assert codes_of(gateway) == {"MEASURE_UNKNOWN"}


@case(REPORT_CASES, "value of a wrong type")
async def wrong_type() -> None:
    gateway = await reported({"id": "M1", "value": {"name": "speed", "valueType": "number", "value": "fast"}})
    assert "MEASURE_UNPARSABLE" in codes_of(gateway)
    assert gateway.results()[-1].result == "inconclusive"
    gateway = await reported({"id": "M1", "value": {"name": "speed", "valueType": "number", "value": "NaN"}})
    assert "MEASURE_NOT_FINITE" in codes_of(gateway)


@case(REPORT_CASES, "unit mismatch")
async def unit_mismatch() -> None:
    requested = (RequestedMeasure(id="M1", metric_name="speed", unit_of_measure="Mbit/s"),)
    gateway = await reported({"id": "M1", "value": 1, "unitOfMeasure": "kbit/s"}, requested=requested)
    assert codes_of(gateway) == {"MEASURE_UNIT_DIFFERS"}
    assert gateway.results()[-1].test_measure[0].unit_of_measure == "kbit/s"


@case(REPORT_CASES, "duplicate event")
async def duplicate() -> None:
    gateway = await after_post()
    for _ in range(2):
        gateway.produce(gateway.names.inbound, gateway.a_callback("ext-TR0001", state="inProgress"), "E1")
    await gateway.run_until_idle()
    assert gateway.distinct_updates().count(UpdateKind.PROGRESS) == 1


@case(REPORT_CASES, "stale event")
async def stale() -> None:
    gateway = await after_post()
    await gateway.process_callback("ext-TR0001", state="inProgress")
    await gateway.process_callback("ext-TR0001", state="acknowledged")
    assert gateway.row().state is RunState.IN_PROGRESS


@case(REPORT_CASES, "payload too big")
async def too_big() -> None:
    async with a_listener(limits=ListenerLimits(max_body_bytes=100)) as rig:
        status, _ = await rig.post("/fibre-lab/listener", EVENT | {"title": "x" * 200})
        assert (status, rig.publisher.published, len(rig.counts)) == (413, [], 1)


@case(REPORT_CASES, "superseded version")
async def superseded() -> None:
    gateway = await after_post(**PATCHABLE)
    await gateway.process_callback("ext-TR0001", state="inProgress")
    body = orjson.dumps({**RUN, "state": "pending", "description": "as it was"})
    before = timedelta(seconds=5)
    asked = InboundReceived(
        spoke="fibre-lab",
        external_id="ext-TR0001",
        channel=Channel.POLL,
        received_at=gateway.clock() - before,
        body=body,
    )
    await gateway.process_change(a_document(version=2, description="other"))
    await process(gateway, asked)
    assert (gateway.row().state, gateway.row().accepted_version) == (RunState.IN_PROGRESS, 2)


@pytest.mark.parametrize("row", [each.name for each in CALL_OUTCOMES])
async def test_an_outcome_of_a_call_leads_to_what_its_row_says(row: str) -> None:
    await CALL_CASES[row]()


WRITE_BACK = "write-back refused or down"  # its case needs a target


@pytest.mark.parametrize("row", [each.name for each in REPORT_EXCEPTIONS if each.name != WRITE_BACK])
async def test_an_exception_in_a_report_leads_to_what_its_row_says(row: str) -> None:
    await REPORT_CASES[row]()


@pytest.mark.parametrize("row", [WRITE_BACK])
async def test_an_exception_of_a_target_leads_to_what_its_row_says(
    row: str,
    desk: WritebackHarness,
    instance: Any,  # noqa: ANN401 - the fixture
) -> None:
    assert row in {each.name for each in REPORT_EXCEPTIONS}
    instance.table.add(sys_id="TR1", state="canceled", name="Line test TR1")
    refused = await desk.deliver(result_of(await ended_run(desk)))
    assert isinstance(refused, DeadLetter)
    assert refused.problem.code == "CALL_REFUSED"
    await instance.stop()
    down = await desk.attempt(result_of(await ended_run(desk)))
    assert isinstance(down, RetryLater)
    assert down.problem.code == "CALL_TRANSIENT"


def test_every_row_has_a_case_of_its_name_and_no_other_exists() -> None:
    assert {*CALL_CASES} == {each.name for each in CALL_OUTCOMES}
    assert {*REPORT_CASES, WRITE_BACK} == {each.name for each in REPORT_EXCEPTIONS}


async def test_a_fault_of_a_report_is_counted_once() -> None:
    metrics, recorded = Metrics(), InMemoryTimelines()
    timelines = TimelineRecorder(recorded, warn=lambda _: None, on_dropped=lambda _: None)
    observe = row_observer(metrics, timelines)
    fault, other = Reason(code="MEASURE_UNKNOWN", message="it is"), Reason(code="JEOPARDY", message="it is late")
    before = a_run(phase=Phase.ACCEPTED)
    after = replace(before, revision=2, reasons=(fault, other), phase=Phase.FULFILLED)
    for pair in (
        (before, after),
        (after, replace(after, revision=3)),
        (after, replace(after, reasons=(*after.reasons,))),
    ):
        observe(*pair)
    counted = [each for family in metrics.collect() for each in family.samples if each.name == FAULTS_COUNTER]
    assert [(each.labels["code"], each.value) for each in counted] == [("MEASURE_UNKNOWN", 1)]
    await timelines.flush()
    assert len(recorded.entries["TR0001"]) == 1


def test_every_row_of_an_exception_names_codes_and_a_counter_that_exist() -> None:
    counters = {metric.name for metric in METRICS}
    for each in REPORT_EXCEPTIONS:
        assert each.counter in counters
        assert {*each.codes} <= reported_codes()
        assert {*each.faults} <= {*each.codes}
        assert (each.counter != FAULTS_COUNTER) or each.faults
    assert {code for each in REPORT_EXCEPTIONS for code in each.faults} == FAULT_CODES
