"""A story of the service desk is told only if all of it is true."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope
from schemas.results import ReportedMeasure, RunResult
from schemas.topics import TopicNames
from schemas.vocabulary import MeasureIdOrigin, Result, RunState
from southbound.demo.desk_scenarios import ordered_and_captured, ordered_and_violated
from southbound.demo.desk_screen import desk_table, record_table
from southbound.demo.expectations import DemoObservations
from southbound.demo.observed_events import ObservedEvents, ObservedRun
from southbound.demo.service_desk import DeskLog, DeskStep, Exchange
from southbound.simulator.instance.run_table import RunTable
from southbound.simulator.request_log import ReceivedRequest, RequestLog
from tests.builders.runs import NOON

if TYPE_CHECKING:
    from collections.abc import Callable

OWN_ID, RUN_ID = "TR-1A2B-DESK", "5f0c1c9e-0000-4000-8000-000000000000"
MEASURE_IDS = (f"{OWN_ID}-M1", f"{OWN_ID}-M2")
CREATED, CHANGED = "ServiceTestCreateEvent", "ServiceTestStateChangeEvent"
VIOLATION = {"id": "V1", "name": "tooSlow", "appliedConsequence": [{"id": "C1", "name": "ticket"}]}


def a_service_test(state: str, *, value: float | None = None, run_id: str = RUN_ID) -> dict[str, object]:
    measures = [{"id": each} | ({"value": {"value": value}} if value is not None else {}) for each in MEASURE_IDS]
    return {"id": run_id, "state": state, "testMeasure": measures}


THE_STORY = (
    Exchange(step=DeskStep.ORDER, status=201, run=a_service_test("acknowledged")),
    Exchange(step=DeskStep.READ, status=200, run=a_service_test("acknowledged")),
    Exchange(step=DeskStep.REPEAT, status=201, run=a_service_test("acknowledged"), is_replayed=True),
    Exchange(
        step=DeskStep.NOTIFIED, status=204, run=a_service_test("acknowledged"), event_type=CREATED, is_signed=True
    ),
    Exchange(step=DeskStep.NOTIFIED, status=204, run=a_service_test("completed"), event_type=CHANGED, is_signed=True),
    Exchange(step=DeskStep.READ_RESULT, status=200, run=a_service_test("completed", value=42.5)),
)


def the_observations(exchanges: tuple[Exchange, ...] = THE_STORY, *, result: Result = Result.PASS) -> DemoObservations:
    """Return what is observed if everything happens as it is told."""
    output = ObservedEvents(Envelope(Codec()), TopicNames("demo-"))
    measures = tuple([ReportedMeasure(id=each, id_origin=MeasureIdOrigin.REPORTED, value=42.5) for each in MEASURE_IDS])
    run = ObservedRun(run_id=RUN_ID)
    run.result = RunResult(
        run_id=RUN_ID,
        root_run_id=RUN_ID,
        request_id="RQ1",
        spoke="fibre-lab",
        revision=4,
        state=RunState.COMPLETED,
        result=result,
        test_measure=measures,
        occurred_at=NOON,
    )
    output.runs[RUN_ID] = run
    desk_log, table = DeskLog(), RunTable()
    for exchange in exchanges:
        desk_log.add(OWN_ID, exchange)
    record = table.add(sys_id=OWN_ID, state="pending", testMeasure=[{"id": each} for each in MEASURE_IDS])
    captured = [{"id": each, "value": "42.5"} for each in MEASURE_IDS]
    table.update(record, {"state": "completed", "testMeasure": captured})
    logs = {"fibre-lab": RequestLog()}
    post_run(logs["fibre-lab"])
    return DemoObservations(output=output, request_logs=logs, run_table=table, desk_log=desk_log)


def post_run(log: RequestLog) -> None:
    """Let the lab receive the run once."""
    body = f'{{"name": "Line test {OWN_ID}"}}'.encode()
    request = ReceivedRequest(number=1, at=NOON, method="POST", path="/serviceTest", query="", headers={}, body=body)
    log.requests.append(request)


def failures(observations: DemoObservations) -> list[str]:
    return list(ordered_and_captured(OWN_ID).check(observations))


def test_a_story_that_happened_as_it_is_told_is_true() -> None:
    assert failures(the_observations()) == []


@pytest.mark.parametrize(
    ("place", "told", "sentence"),
    [
        (0, {"status": 202}, "answered with 201"),
        (0, {"run": {"id": RUN_ID, "state": "acknowledged"}}, "must have the measures with their ids"),
        (1, {"status": 404, "run": {}}, "a GET right after"),
        (2, {"is_replayed": False}, "repeated POST"),
        (2, {"run": a_service_test("acknowledged", run_id="another")}, "repeated POST"),
        (3, {"event_type": CHANGED}, "first that it exists"),
        (4, {"run": a_service_test("inProgress")}, "notified that"),
        (4, {"is_signed": False}, "the signature of the subscription"),
        (5, {"run": a_service_test("completed")}, "measured values"),
    ],
)
def test_a_part_of_the_exchange_that_is_not_true_is_named(place: int, told: dict[str, object], sentence: str) -> None:
    exchanges = [*THE_STORY]
    exchanges[place] = replace(exchanges[place], **told)  # type: ignore[arg-type] # the fields of a row above
    [failure] = failures(the_observations(tuple(exchanges)))
    assert sentence in failure


@pytest.mark.parametrize("place", range(len(THE_STORY)))
def test_a_part_of_the_exchange_that_is_missing_is_missed(place: int) -> None:
    exchanges = tuple(each for number, each in enumerate(THE_STORY) if number != place)
    assert failures(the_observations(exchanges))


def second_record(observations: DemoObservations) -> None:
    observations.run_table.create({"id": RUN_ID, "testMeasure": []})


def unfinished_record(observations: DemoObservations) -> None:
    observations.run_table.records[0].states.append("inProgress")


def further_measure(observations: DemoObservations) -> None:
    observations.run_table.update(observations.run_table.records[0], {"testMeasure": [{"id": "of the lab"}]})


def other_value(observations: DemoObservations) -> None:
    measure = {"id": MEASURE_IDS[1], "value": "42.6"}
    observations.run_table.update(observations.run_table.records[0], {"testMeasure": [measure]})


def second_test(observations: DemoObservations) -> None:
    post_run(observations.request_logs["fibre-lab"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (second_record, "not under another id"),
        (unfinished_record, "must show"),
        (further_measure, "and no other ones"),
        (other_value, "the values that were measured"),
        (second_test, "tested once, not 2 times"),
    ],
)
def test_a_record_that_says_something_else_is_named(change: Callable[[DemoObservations], None], sentence: str) -> None:
    observations = the_observations()
    change(observations)
    [failure] = failures(observations)
    assert sentence in failure


@pytest.mark.parametrize(
    ("violation", "is_told"),
    [
        ([VIOLATION], True),
        ([], False),
        ([{**VIOLATION, "id": ""}], False),
        ([{**VIOLATION, "appliedConsequence": [{"name": "ticket"}]}], False),
    ],
)
def test_a_violation_has_its_id_and_that_of_its_consequence(violation: list[object], is_told: bool) -> None:  # noqa: FBT001 - a parameter of the test
    observations = the_observations(result=Result.FAIL)
    measures = observations.run_table.records[0].fields["testMeasure"]
    measures[0]["ruleViolation"] = violation
    assert (list(ordered_and_violated(OWN_ID).check(observations)) == []) is is_told


def test_the_screen_shows_the_exchange_and_the_measures_with_their_ids() -> None:
    observations = the_observations()
    observations.run_table.records[0].fields["testMeasure"][0] |= {
        "unitOfMeasure": "Mbit/s",
        "ruleViolation": [VIOLATION],
    }
    output = StringIO()
    console = Console(file=output, width=160)
    console.print(
        desk_table([ordered_and_captured(OWN_ID)], observations.desk_log), record_table(observations.run_table)
    )
    shown = output.getvalue()
    assert [shown.count(sign) for sign in ("→ POST", "→ GET", f"← {CREATED}", f"← {CHANGED}")] == [2, 2, 1, 1]
    lines = {each: next(line for line in shown.splitlines() if each in line) for each in MEASURE_IDS}
    assert "42.5 Mbit/s" in lines[MEASURE_IDS[0]]
    assert "tooSlow" in lines[MEASURE_IDS[0]]
    assert "consequence: ticket" in lines[MEASURE_IDS[0]]
    assert "42.5" in lines[MEASURE_IDS[1]]
