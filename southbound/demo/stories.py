"""The ten stories: what is published, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from schemas.lifecycle import LifecycleEvent, RunCancelled, RunChanged, RunRequested
from schemas.run_document import Characteristic, RequestedMeasure, RunDocument, ServiceRef, SpecificationRef
from schemas.vocabulary import Result, RunState, UpdateKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from southbound.demo.seen import ObservedDeadLetter, ObservedEvents, ObservedRun
    from southbound.simulator.ledger import RequestLog

RUBBISH = b"\xff\xfe this was never an event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a story may be judged by: the output topics, and what the external systems received."""

    seen: ObservedEvents
    ledgers: dict[str, RequestLog]

    def run(self, run_id: str) -> ObservedRun | None:
        """Return what was said of a run."""
        return self.seen.runs.get(run_id)

    def posted(self, spoke: str, *run_ids: str) -> list[str]:
        """Return which of these runs a system was sent, in order, repetitions included."""
        names = self.ledgers[spoke].posted_names()
        return [run_id for name in names for run_id in run_ids if name == f"Line test {run_id}"]

    def letter(self, key: str) -> ObservedDeadLetter | None:
        """Return the dead letter under a key."""
        return next((letter for letter in self.seen.letters if letter.key == key), None)


class Judge(Protocol):
    """Give what is not yet, or never, as it must be; nothing: the story has ended well."""

    def __call__(self, evidence: Evidence) -> Iterator[str]:
        """Complain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One thing that must work. `then` is published when the run was accepted; `raw` is not even an event."""

    title: str
    runs: tuple[str, ...]
    judge: Judge
    first: tuple[LifecycleEvent, ...] = ()
    then: tuple[LifecycleEvent, ...] = ()
    raw: bytes | None = field(default=None, repr=False)


def a_run(run_id: str, spec: str, *, service_type: str = "fibre", **more: object) -> RunDocument:
    """Make the document of a run with two measures."""
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


def a_tree(root: str, spec: str) -> RunDocument:
    """Make a root with three children: one below another."""
    return a_run(
        root,
        spec,
        children=tuple(
            a_run(f"{root}-{number}", "fibre-tree-child", root_run_id=root, parent_run_id=parent, order=number)
            for number, parent in ((1, root), (2, f"{root}-1"), (3, root))
        ),
    )


def stories(tag: str) -> Sequence[Story]:
    """Make the stories with run ids of their own, so that a second demo is as good as the first."""
    name = f"TR-{tag}-{{}}".format
    return (
        _answered_at_once(name("QUICK")),
        _answered_by_callback(name("LINE")),
        _hierarchical(name("TREE")),
        _not_hierarchical(name("FLAT")),
        _changed(name("CHANGE")),
        _cancelled(name("CANCEL")),
        _refused(name("REFUSED")),
        _busy(name("BUSY")),
        _rubbish(name("RUBBISH")),
        _nobody_wants(name("NOBODY")),
    )


def _answered_at_once(run_id: str) -> Story:
    def judge(evidence: Evidence) -> Iterator[str]:
        yield from _ended(evidence, run_id, RunState.COMPLETED, Result.PASS)
        yield from _request(evidence, run_id, RunState.COMPLETED, 1)

    return Story(title="answered at once", runs=(run_id,), judge=judge, first=_requested(a_run(run_id, "fibre-quick")))


def _answered_by_callback(run_id: str) -> Story:
    def judge(evidence: Evidence) -> Iterator[str]:
        yield from _ended(evidence, run_id, RunState.COMPLETED, Result.PASS)
        yield from _kinds(evidence, run_id, UpdateKind.ACCEPTED, UpdateKind.PROGRESS)
        run = evidence.run(run_id)
        ids = {measure.id for measure in run.result.test_measure} if run and run.result else set()
        if ids != {f"{run_id}-M1", f"{run_id}-M2"}:
            yield f"the measures of {run_id} must carry the requested ids"

    return Story(
        title="answered by callback", runs=(run_id,), judge=judge, first=_requested(a_run(run_id, "fibre-line"))
    )


def _hierarchical(root: str) -> Story:
    runs = (root, f"{root}-1", f"{root}-2", f"{root}-3")

    def judge(evidence: Evidence) -> Iterator[str]:
        for run_id in runs:
            yield from _ended(evidence, run_id, RunState.COMPLETED, Result.PASS)
        yield from _request(evidence, root, RunState.COMPLETED, 4)
        if evidence.posted("fibre-lab", *runs) != list(runs):
            yield "every run of the tree must be sent once, parents first"

    return Story(
        title="hierarchical: the whole tree", runs=runs, judge=judge, first=_requested(a_tree(root, "fibre-tree"))
    )


def _not_hierarchical(root: str) -> Story:
    runs = (root, f"{root}-1", f"{root}-2", f"{root}-3")

    def judge(evidence: Evidence) -> Iterator[str]:
        yield from _ended(evidence, root, RunState.COMPLETED, Result.PASS)
        yield from _request(evidence, root, RunState.COMPLETED, 1)
        if evidence.posted("fibre-lab", *runs) != [root]:
            yield "only the root may be sent"

    return Story(
        title="not hierarchical: only that run", runs=(root,), judge=judge, first=_requested(a_tree(root, "fibre-flat"))
    )


def _changed(run_id: str) -> Story:
    speed = Characteristic(name="downstream", value=250, value_type="number")
    faster = Characteristic(name="downstream", value=1000, value_type="number")
    first = a_run(run_id, "fibre-change", characteristic=(speed,))
    second = a_run(run_id, "fibre-change", characteristic=(faster,), version=2)

    def judge(evidence: Evidence) -> Iterator[str]:
        yield from _ended(evidence, run_id, RunState.COMPLETED, Result.PASS)
        yield from _kinds(evidence, run_id, UpdateKind.CHANGE_ACCEPTED)
        run = evidence.run(run_id)
        values = [measure.value for measure in run.result.test_measure] if run and run.result else []
        if 1000 not in values:  # noqa: PLR2004 - the characteristic of the second document
            yield "the external system must have measured with the changed characteristic"

    return Story(
        title="changed in flight",
        runs=(run_id,),
        judge=judge,
        first=_requested(first),
        then=(RunChanged(run=second, reason="the customer upgraded"),),
    )


def _cancelled(run_id: str) -> Story:
    def judge(evidence: Evidence) -> Iterator[str]:
        yield from _ended(evidence, run_id, RunState.CANCELLED, None)
        yield from _kinds(evidence, run_id, UpdateKind.CANCEL_ACCEPTED)

    return Story(
        title="cancelled in flight",
        runs=(run_id,),
        judge=judge,
        first=_requested(a_run(run_id, "fibre-cancel")),
        then=(RunCancelled(run_id=run_id, root_run_id=run_id, reason="the problem is gone"),),
    )


def _refused(run_id: str) -> Story:
    def judge(evidence: Evidence) -> Iterator[str]:
        yield from _ended(evidence, run_id, RunState.REJECTED, None)
        run = evidence.run(run_id)
        if run and run.result and not run.result.reasons:
            yield "a refusal must carry the reasons"
        if evidence.letter(run_id):
            yield "a refusal is a result, not a dead letter"

    return Story(
        title="refused with 422: a result",
        runs=(run_id,),
        judge=judge,
        first=_requested(a_run(run_id, "copper-refused", service_type="copper")),
    )


def _busy(run_id: str) -> Story:
    def judge(evidence: Evidence) -> Iterator[str]:
        yield from _ended(evidence, run_id, RunState.COMPLETED, Result.PASS)
        if evidence.posted("copper-lab", run_id) != [run_id] * 3:
            yield "a system that answers 503 twice must be asked three times"

    return Story(
        title="503, 503, then accepted",
        runs=(run_id,),
        judge=judge,
        first=_requested(a_run(run_id, "copper-busy", service_type="copper")),
    )


def _rubbish(key: str) -> Story:
    def judge(evidence: Evidence) -> Iterator[str]:
        letter = evidence.letter(key)
        if letter is None:
            yield "the rubbish must become a dead letter"
        elif (letter.code, letter.value) != ("UNDECODABLE", RUBBISH):
            yield "the dead letter must carry the original bytes and say UNDECODABLE"

    return Story(title="rubbish bytes: dead letter", runs=(key,), judge=judge, raw=RUBBISH)


def _nobody_wants(run_id: str) -> Story:
    def judge(evidence: Evidence) -> Iterator[str]:
        letter = evidence.letter(run_id)
        if letter is None:
            yield "a run that no row wants must become a dead letter"
        elif letter.code != "NO_ROW_MATCHES" or "would have matched" not in letter.detail:
            yield "the dead letter must tell which rows came close"

    return Story(
        title="no row matches: dead letter",
        runs=(run_id,),
        judge=judge,
        first=_requested(a_run(run_id, "satellite-link", service_type="satellite")),
    )


def _requested(run: RunDocument) -> tuple[RunRequested]:
    return (RunRequested(run=run),)


def _ended(evidence: Evidence, run_id: str, state: RunState, result: Result | None) -> Iterator[str]:
    run = evidence.run(run_id)
    if run is None or run.result is None:
        yield f"{run_id} has not ended"
    elif (run.result.state, run.result.result) != (state, result):
        yield f"{run_id} must end {state}, not {run.result.state} ({run.result.result or 'no result'})"


def _kinds(evidence: Evidence, run_id: str, *kinds: UpdateKind) -> Iterator[str]:
    run = evidence.run(run_id)
    for kind in kinds:
        if run is None or kind not in run.kinds:
            yield f"{run_id} must have told {kind}"


def _request(evidence: Evidence, root: str, state: RunState, runs: int) -> Iterator[str]:
    told = evidence.seen.requests.get(root, [])
    if len(told) != 1:
        yield f"there must be one RequestResult for {root}, not {len(told)}"
    elif (told[0].state, len(told[0].runs)) != (state, runs):
        yield f"the request of {root} must end {state} with {runs} runs"
