"""The twelve scenarios: the events that each publishes, and the result that it must have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.run_document import Characteristic, RequestedMeasure, RunDocument, ServiceRef, SpecificationRef
from schemas.vocabulary import Result, RunState, UpdateKind
from southbound.demo.desk_scenarios import ordered_and_captured, ordered_and_violated
from southbound.demo.expectations import Scenario, check_end, check_request_result, check_updates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from southbound.demo.expectations import DemoObservations

INVALID_BYTES = b"\xff\xfe this was never an event"


def sample_run(run_id: str, spec: str, *, service_type: str = "fibre", **more: object) -> RunDocument:
    """Return the document of a run with two measures."""
    fields = {
        "run_id": run_id,
        "root_run_id": more.get("parent_run_id", run_id),
        "name": f"Line test {run_id}",
        "test_specification": SpecificationRef(id=spec),
        "related_service": ServiceRef(id="PI0000011", name="Internet_VPLS", type=service_type),
        "test_measure": (
            RequestedMeasure(id=f"{run_id}-M1", metric_name="downstream", unit_of_measure="Mbit/s"),
            RequestedMeasure(id=f"{run_id}-M2", metric_name="latency", unit_of_measure="ms"),
        ),
    }
    return RunDocument.model_validate(fields | more)


def sample_hierarchy(root: str, spec: str) -> RunDocument:
    """Return a root with three children, one of them below another."""
    return sample_run(
        root,
        spec,
        children=tuple(
            sample_run(f"{root}-{number}", "fibre-tree-child", root_run_id=root, parent_run_id=parent, order=number)
            for number, parent in ((1, root), (2, f"{root}-1"), (3, root))
        ),
    )


def make_scenarios(demo_id: str) -> Sequence[Scenario]:
    """Return the scenarios; their run ids contain `demo_id`, so that those of two demos differ."""
    name = f"TR-{demo_id}-{{}}".format
    return (
        _immediate_result(name("QUICK")),
        _callback_result(name("LINE")),
        _whole_hierarchy(name("TREE")),
        _root_only(name("FLAT")),
        _change_in_flight(name("CHANGE")),
        _cancellation_in_flight(name("CANCEL")),
        _rejection(name("REFUSED")),
        _busy_system(name("BUSY")),
        ordered_and_captured(name("DESK")),
        ordered_and_violated(name("SLOW")),
        _invalid_bytes(name("RUBBISH")),
        _no_matching_row(name("NOBODY")),
    )


def _immediate_result(run_id: str) -> Scenario:
    def check(evidence: DemoObservations) -> Iterator[str]:
        yield from check_end(evidence, run_id, RunState.COMPLETED, Result.PASS)
        yield from check_request_result(evidence, run_id, RunState.COMPLETED, 1)

    return Scenario(
        title="answered immediately",
        runs=(run_id,),
        check=check,
        events=_request_event(sample_run(run_id, "fibre-quick")),
    )


def _callback_result(run_id: str) -> Scenario:
    def check(evidence: DemoObservations) -> Iterator[str]:
        yield from check_end(evidence, run_id, RunState.COMPLETED, Result.PASS)
        yield from check_updates(evidence, run_id, UpdateKind.ACCEPTED, UpdateKind.PROGRESS)
        run = evidence.observed_run(run_id)
        ids = {measure.id for measure in run.result.test_measure} if run and run.result else set()
        if ids != {f"{run_id}-M1", f"{run_id}-M2"}:
            yield f"the measures of {run_id} must have the requested ids"

    return Scenario(
        title="answered by callback",
        runs=(run_id,),
        check=check,
        events=_request_event(sample_run(run_id, "fibre-line")),
    )


def _whole_hierarchy(root: str) -> Scenario:
    runs = (root, f"{root}-1", f"{root}-2", f"{root}-3")

    def check(evidence: DemoObservations) -> Iterator[str]:
        for run_id in runs:
            yield from check_end(evidence, run_id, RunState.COMPLETED, Result.PASS)
        yield from check_request_result(evidence, root, RunState.COMPLETED, 4)
        if evidence.posted_runs("fibre-lab", *runs) != list(runs):
            yield "every run of the tree must be sent once, parents first"

    return Scenario(
        title="hierarchical: the whole tree",
        runs=runs,
        check=check,
        events=_request_event(sample_hierarchy(root, "fibre-tree")),
    )


def _root_only(root: str) -> Scenario:
    runs = (root, f"{root}-1", f"{root}-2", f"{root}-3")

    def check(evidence: DemoObservations) -> Iterator[str]:
        yield from check_end(evidence, root, RunState.COMPLETED, Result.PASS)
        yield from check_request_result(evidence, root, RunState.COMPLETED, 1)
        if evidence.posted_runs("fibre-lab", *runs) != [root]:
            yield "only the root may be sent"

    return Scenario(
        title="not hierarchical: only that run",
        runs=(root,),
        check=check,
        events=_request_event(sample_hierarchy(root, "fibre-flat")),
    )


def _change_in_flight(run_id: str) -> Scenario:
    speed = Characteristic(name="downstream", value=250, value_type="number")
    faster = Characteristic(name="downstream", value=1000, value_type="number")
    first = sample_run(run_id, "fibre-change", characteristic=(speed,))
    second = sample_run(run_id, "fibre-change", characteristic=(faster,), version=2)

    def check(evidence: DemoObservations) -> Iterator[str]:
        yield from check_end(evidence, run_id, RunState.COMPLETED, Result.PASS)
        yield from check_updates(evidence, run_id, UpdateKind.CHANGE_ACCEPTED)
        run = evidence.observed_run(run_id)
        values = [measure.value for measure in run.result.test_measure] if run and run.result else []
        if 1000 not in values:  # noqa: PLR2004 - the characteristic of the second document
            yield "the external system must have measured with the changed characteristic"

    return Scenario(
        title="changed in flight",
        runs=(run_id,),
        check=check,
        events=_request_event(first),
        follow_up=(RunChanged(run=second, reason="the customer upgraded"),),
    )


def _cancellation_in_flight(run_id: str) -> Scenario:
    def check(evidence: DemoObservations) -> Iterator[str]:
        yield from check_end(evidence, run_id, RunState.CANCELLED, None)
        yield from check_updates(evidence, run_id, UpdateKind.CANCEL_ACCEPTED)

    return Scenario(
        title="cancelled in flight",
        runs=(run_id,),
        check=check,
        events=_request_event(sample_run(run_id, "fibre-cancel")),
        follow_up=(RunCancelled(run_id=run_id, root_run_id=run_id, reason="the problem is gone"),),
    )


def _rejection(run_id: str) -> Scenario:
    def check(evidence: DemoObservations) -> Iterator[str]:
        yield from check_end(evidence, run_id, RunState.REJECTED, None)
        run = evidence.observed_run(run_id)
        if run and run.result and not run.result.reasons:
            yield "a refusal must have reasons"
        if evidence.dead_letter(run_id):
            yield "a refusal is a result, not a dead letter"

    return Scenario(
        title="refused with 422: a result",
        runs=(run_id,),
        check=check,
        events=_request_event(sample_run(run_id, "copper-refused", service_type="copper")),
    )


def _busy_system(run_id: str) -> Scenario:
    def check(evidence: DemoObservations) -> Iterator[str]:
        yield from check_end(evidence, run_id, RunState.COMPLETED, Result.PASS)
        if evidence.posted_runs("copper-lab", run_id) != [run_id] * 3:
            yield "a system that responds with 503 twice must receive three POSTs"

    return Scenario(
        title="503, 503, then accepted",
        runs=(run_id,),
        check=check,
        events=_request_event(sample_run(run_id, "copper-busy", service_type="copper")),
    )


def _invalid_bytes(key: str) -> Scenario:
    def check(evidence: DemoObservations) -> Iterator[str]:
        dead_letter = evidence.dead_letter(key)
        if dead_letter is None:
            yield "the invalid bytes must become a dead letter"
        elif (dead_letter.code, dead_letter.value) != ("UNDECODABLE", INVALID_BYTES):
            yield "the dead letter must have the original bytes and the code UNDECODABLE"

    return Scenario(title="invalid bytes: dead letter", runs=(key,), check=check, raw_record=INVALID_BYTES)


def _no_matching_row(run_id: str) -> Scenario:
    def check(evidence: DemoObservations) -> Iterator[str]:
        dead_letter = evidence.dead_letter(run_id)
        if dead_letter is None:
            yield "a run that no row matches must become a dead letter"
        elif dead_letter.code != "NO_ROW_MATCHES" or "would have matched" not in dead_letter.detail:
            yield "the dead letter must name the rows that came close"

    return Scenario(
        title="no row matches: dead letter",
        runs=(run_id,),
        check=check,
        events=_request_event(sample_run(run_id, "satellite-link", service_type="satellite")),
    )


def _request_event(run: RunDocument) -> tuple[RunRequested]:
    return (RunRequested(run=run),)
