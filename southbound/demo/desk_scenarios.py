"""The scenarios that begin at a ServiceNow instance: ordered over HTTP, tested, captured in its table of test runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from router.northbound.writeback import value_as_text
from schemas.vocabulary import Result, RunState
from southbound.demo.expectations import Scenario, check_end
from southbound.demo.service_desk import DeskStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.text.json_types import Json, JsonMapping
    from southbound.demo.expectations import DemoObservations
    from southbound.demo.service_desk import Exchange
    from southbound.simulator.instance.run_table import RunRecord

_CREATED, _FOUND = 201, 200
_METRICS = (("downstream", "Mbit/s"), ("latency", "ms"))


def ordered_and_captured(own_id: str) -> Scenario:
    """Return the scenario of a line that is as good as agreed."""

    def check(evidence: DemoObservations) -> Iterator[str]:
        yield from check_end(evidence, own_id, RunState.COMPLETED, Result.PASS)
        yield from _check_order(evidence, own_id)
        yield from _check_notifications(evidence, own_id)
        yield from _check_record(evidence, own_id)

    return Scenario(
        title="ordered over HTTP, in the run table",
        runs=(own_id,),
        check=check,
        desk_order=_order(own_id, "fibre-line"),
    )


def ordered_and_violated(own_id: str) -> Scenario:
    """Return the scenario of a line that is slower than agreed."""

    def check(evidence: DemoObservations) -> Iterator[str]:
        yield from check_end(evidence, own_id, RunState.COMPLETED, Result.FAIL)
        yield from _check_order(evidence, own_id)
        yield from _check_notifications(evidence, own_id)
        yield from _check_record(evidence, own_id)
        for record in evidence.run_table.of_run(own_id):
            yield from _check_violation(record, f"{own_id}-M1")

    return Scenario(
        title="the same, a threshold violated", runs=(own_id,), check=check, desk_order=_order(own_id, "fibre-slow")
    )


def _order(own_id: str, spec: str) -> JsonMapping:
    """Return the body of a POST, as TMF653 has it. The ids of the run and of its measures are those of the instance."""
    return {
        "id": own_id,
        "name": f"Line test {own_id}",
        "relatedService": {"id": "PI0000011", "name": "Internet_VPLS", "@referredType": "fibre"},
        "testSpecification": {"id": spec},
        "testMeasure": [
            {"id": measure_id, "metricName": metric, "metricHref": f"urn:metric:{metric}", "unitOfMeasure": unit}
            for measure_id, (metric, unit) in zip(_measure_ids(own_id), _METRICS, strict=True)
        ],
    }


def _measure_ids(own_id: str) -> list[str]:
    return [f"{own_id}-M1", f"{own_id}-M2"]


def _check_order(evidence: DemoObservations, own_id: str) -> Iterator[str]:
    """Check that the run can be read at once, and that an order that is repeated orders nothing."""
    ordered, read, repeated = (
        _find(evidence, own_id, step) for step in (DeskStep.ORDER, DeskStep.READ, DeskStep.REPEAT)
    )
    if ordered is None or ordered.status != _CREATED:
        yield f"the POST of {own_id} must be answered with 201"
    elif [measure.get("id") for measure in ordered.measures()] != _measure_ids(own_id):
        yield f"the response to the POST of {own_id} must have the measures with their ids"
    elif read is None or (read.status, read.run_id) != (_FOUND, ordered.run_id):
        yield f"a GET right after the POST of {own_id} must find the run"
    elif repeated is None or not repeated.is_replayed or repeated.run_id != ordered.run_id:
        yield f"a repeated POST of {own_id} must be answered with the same run"
    if (posted := evidence.posted_runs("fibre-lab", own_id)) != [own_id]:
        yield f"{own_id} must be tested once, not {len(posted)} times"


def _check_notifications(evidence: DemoObservations, own_id: str) -> Iterator[str]:
    notified = evidence.desk_log.of(own_id, DeskStep.NOTIFIED)
    if [each.event_type for each in notified[:1]] != ["ServiceTestCreateEvent"]:
        yield f"the service desk must be notified of {own_id}, first that it exists"
    if not notified or (notified[-1].event_type, notified[-1].state) != ("ServiceTestStateChangeEvent", "completed"):
        yield f"the service desk must be notified that {own_id} is completed"
    if not all(each.is_signed for each in notified):
        yield f"every notification of {own_id} must have the signature of the subscription"
    result = _find(evidence, own_id, DeskStep.READ_RESULT)
    if result is None or not result.measures() or not all("value" in measure for measure in result.measures()):
        yield f"a GET of {own_id} after its end must show the measured values"


def _check_record(evidence: DemoObservations, own_id: str) -> Iterator[str]:
    """Check that the one record of the run has its end, and each value under the id that the instance gave."""
    records, run = evidence.run_table.of_run(own_id), evidence.observed_run(own_id)
    if len(records) != 1 or len(evidence.run_table.of_run(run.run_id if run else "")) != 0:
        yield f"the table of test runs must have {own_id} once, and not under another id"
    elif records[0].states[-1:] != ["completed"]:
        yield f"the table of test runs must show {own_id} completed"
    elif list(records[0].measures()) != _measure_ids(own_id):
        yield f"the record of {own_id} must have the measures of the instance, and no other ones"
    elif run is not None and run.result is not None:
        measured = {each.id: value_as_text(each.value) for each in run.result.test_measure if each.value is not None}
        if {name: measure.get("value") for name, measure in records[0].measures().items()} != measured:
            yield f"the record of {own_id} must have the values that were measured"


def _check_violation(record: RunRecord, measure_id: str) -> Iterator[str]:
    violations = cast("Sequence[Json]", record.measures().get(measure_id, {}).get("ruleViolation", ()))
    consequences = [each for violation in violations for each in cast("list[Json]", violation["appliedConsequence"])]
    if not violations or not all(each.get("id") for each in (*violations, *consequences)):
        yield f"the record must have the violation of {measure_id} and its consequence, each with an id"


def _find(evidence: DemoObservations, own_id: str, step: DeskStep) -> Exchange | None:
    return next(iter(evidence.desk_log.of(own_id, step)), None)
