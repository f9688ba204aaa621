"""What a scenario is, what it is checked against, and the expectations that many scenarios share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from schemas.text.counts import count_noun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.lifecycle import LifecycleEvent
    from schemas.text.json_types import JsonMapping
    from schemas.vocabulary import Result, RunState, UpdateKind
    from southbound.demo.observed_events import ObservedDeadLetter, ObservedEvents, ObservedRun
    from southbound.demo.service_desk import DeskLog
    from southbound.simulator.instance.run_table import RunTable
    from southbound.simulator.request_log import RequestLog


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoObservations:
    """What a scenario is checked against: the output topics, and what the systems and the service desk received.

    A run that the desk ordered has the desk's id here, the one under which it is known everywhere but in the gateway.
    """

    output: ObservedEvents
    request_logs: dict[str, RequestLog]
    run_table: RunTable
    desk_log: DeskLog

    def gateway_id(self, run_id: str) -> str:
        """Return the gateway's id of a run."""
        return self.desk_log.run_id_of(run_id) or run_id

    def observed_run(self, run_id: str) -> ObservedRun | None:
        """Return what the events say about a run; None before the first one."""
        return self.output.runs.get(self.gateway_id(run_id))

    def posted_runs(self, spoke: str, *run_ids: str) -> list[str]:
        """Return the given runs that were posted to a system, in order, with repetitions."""
        # The name of a run that the desk ordered does not contain the gateway's id, which is then sent before it.
        names = self.request_logs[spoke].posted_names()
        return [run_id for name in names for run_id in run_ids if name.endswith(f"Line test {run_id}")]

    def dead_letter(self, key: str) -> ObservedDeadLetter | None:
        """Return the dead letter with this key."""
        return next((dead_letter for dead_letter in self.output.dead_letters if dead_letter.key == key), None)


class ScenarioCheck(Protocol):
    """Yields a sentence for each expectation that is not met, or not met yet."""

    def __call__(self, evidence: DemoObservations) -> Iterator[str]:
        """Check the observations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario. `follow_up` is published after the run is accepted; `raw_record` is published as it is.

    `desk_order` is POSTed by the service desk of a simulated ServiceNow instance, which gets the result in its table.
    """

    title: str
    runs: tuple[str, ...]
    check: ScenarioCheck
    events: tuple[LifecycleEvent, ...] = ()
    follow_up: tuple[LifecycleEvent, ...] = ()
    raw_record: bytes | None = field(default=None, repr=False)
    desk_order: JsonMapping | None = None


def check_end(evidence: DemoObservations, run_id: str, state: RunState, result: Result | None) -> Iterator[str]:
    """Check how a run ended."""
    run = evidence.observed_run(run_id)
    if run is None or run.result is None:
        yield f"{run_id} has not ended"
    elif (run.result.state, run.result.result) != (state, result):
        yield f"{run_id} must end {state}, not {run.result.state} ({run.result.result or 'no result'})"


def check_updates(evidence: DemoObservations, run_id: str, *kinds: UpdateKind) -> Iterator[str]:
    """Check which updates a run has published."""
    run = evidence.observed_run(run_id)
    for kind in kinds:
        if run is None or kind not in run.kinds:
            yield f"{run_id} must have published {kind}"


def check_request_result(evidence: DemoObservations, root: str, state: RunState, runs: int) -> Iterator[str]:
    """Check the result of a request with so many runs."""
    results = evidence.output.requests.get(root, [])
    if len(results) != 1:
        yield f"there must be one RequestResult for {root}, not {len(results)}"
    elif (results[0].state, len(results[0].runs)) != (state, runs):
        yield f"the request of {root} must end {state} with {count_noun(runs, 'run')}"
