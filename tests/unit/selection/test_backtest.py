"""A backtest reports where a draft would send past runs, and counts every event once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.selection.backtest import BacktestTally, RouteChange, RouteVerdict, SkippedEvent
from router.selection.load import load_any
from router.selection.redecide import BATCH_SIZE, BacktestDecider
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.commands import CancelRun
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.run_document import ServiceRef
from tests.builders.decision_tables import a_file, a_row
from tests.builders.runs import SINGLE, a_document, a_tree
from tests.builders.specifications import a_specification

if TYPE_CHECKING:
    from collections.abc import Iterable

    from router.selection.load import LoadedTable
    from router.selection.redecide import RecordHeaders
    from schemas.catalogue import EventData

SINGLE_RUN_OUTPUTS = "{hierarchical: false, payload: per-run}"
NOW = (a_row("R1", "spec: fibre-line"), a_row("R2", "spec: copper-line", SINGLE_RUN_OUTPUTS))
DRAFT = (a_row("R1", "spec: fibre-line, mode: PROACTIVE"), a_row("R3", "mode: ONDEMAND", SINGLE_RUN_OUTPUTS))


@cache
def a_policy(*rows: str) -> LoadedTable:
    return load_any(a_file(rows), "a.yaml")


def events_of(messages: Iterable[EventData], writes: str = "avro") -> list[tuple[bytes | None, RecordHeaders]]:
    envelope = Envelope(Codec(json_models=frozenset({RunRequested}) if writes == "json" else frozenset()))
    return [
        envelope.encode(Event(headers=EventHeaders(id=str(number)), data=message))
        for number, message in enumerate(messages)
    ]


def tally_of(redecider: BacktestDecider, *messages: EventData, writes: str = "avro") -> BacktestTally:
    redecider.process(events_of(messages, writes))
    return redecider.tally


def a_redecider(*draft: str, max_named_runs: int = 10) -> BacktestDecider:
    return BacktestDecider(current=a_policy(*NOW), draft=a_policy(*(draft or DRAFT)), max_runs=max_named_runs)


def a_request(run_id: str, spec: str = "fibre-line", mode: str = "ONDEMAND") -> RunRequested:
    return RunRequested(run=a_document(run_id, spec=spec, mode=mode))


def an_invalid_request(run_id: str) -> RunRequested:
    document = a_document(run_id)
    without_id = document.test_specification.model_copy(update={"id": ""})
    return RunRequested(run=document.model_copy(update={"test_specification": without_id}))


@pytest.mark.parametrize("writes", ["avro", "json"])
def test_runs_that_would_go_elsewhere_are_counted_and_named(writes: str) -> None:
    runs = [a_request("A"), a_request("B"), a_request("C", mode="PROACTIVE"), a_request("D", spec="copper-line")]
    tally = tally_of(a_redecider(), *runs, writes=writes)
    whole = RouteVerdict("R1", "hierarchical true, payload per-run")
    alone = RouteVerdict("R3", "hierarchical false, payload per-run")
    assert tally.differences == [(RouteChange(whole, alone), 2)]
    assert tally.runs == {RouteChange(whole, alone): ["A", "B"]}
    assert tally.decided == tally.events == 4


def test_another_row_with_the_same_result_is_no_difference() -> None:
    tally = tally_of(a_redecider(), a_request("D", spec="copper-line"))
    [change] = tally.changes
    assert (change.current.row, change.draft.row) == ("R2", "R3")
    assert not change.is_difference


def test_every_row_is_counted_in_the_order_of_the_table() -> None:
    tally = tally_of(a_redecider(), a_request("A"), a_request("C", mode="PROACTIVE"), a_request("E", spec="x"))
    assert tally.by_row(lambda change: change.current, ["R1", "R2"]) == {"R1": 2, "R2": 0, "none": 1}
    assert tally.by_row(lambda change: change.draft, ["R1", "R3"]) == {"R1": 1, "R3": 2}


def test_a_run_that_the_draft_does_not_decide_goes_elsewhere() -> None:
    tally = tally_of(a_redecider(a_row("R9", "spec: other")), a_request("A"))
    [(change, _)] = tally.differences
    assert change.draft == RouteVerdict("none", "NO_ROW_MATCHES")
    assert (tally.undecided, change.draft.decided) == (1, False)


def test_only_roots_are_decided_and_other_events_are_counted_separately() -> None:
    child = RunRequested(run=a_document("A-1", parent="A"))
    changed = RunChanged(run=a_document("A", version=2))
    foreign = CancelRun(run_id="A", root_run_id="A", request_id="RQ", spoke="fibre-lab", decision=SINGLE)
    redecider = a_redecider()
    redecider.process([(b"nonsense", ()), (None, None)])
    tally = tally_of(redecider, a_request("A"), child, changed, RunCancelled(run_id="A", root_run_id="A"), foreign)
    assert tally.skipped == {
        SkippedEvent.CHILD: 1,
        SkippedEvent.PINNED: 2,
        SkippedEvent.FOREIGN: 1,
        SkippedEvent.UNDECODABLE: 2,
    }
    assert (tally.decided, tally.events) == (1, 7)


def test_a_requested_run_with_a_wrong_field_is_undecodable_each_time() -> None:
    wrong = an_invalid_request("A")
    tally = tally_of(a_redecider(), wrong, wrong)
    assert tally.skipped == {SkippedEvent.UNDECODABLE: 2}


def test_no_more_runs_are_named_than_the_limit_and_none_twice() -> None:
    runs = [a_request(name) for name in "AABBCCDD"]
    tally = tally_of(a_redecider(max_named_runs=3), *runs)
    assert list(tally.runs.values()) == [["A", "B", "C"]]
    assert tally.decided == 8


MIXED: list[EventData] = [
    a_request("A"),
    a_request("B", mode="PROACTIVE"),
    a_request("C", spec="copper-line"),
    RunRequested(run=a_document("A-1", parent="A")),
    RunCancelled(run_id="A", root_run_id="A"),
    an_invalid_request("W"),
]
IN_AVRO, IN_JSON = (events_of(MIXED, writes) for writes in ("avro", "json"))


@given(events=st.lists(st.sampled_from([*IN_AVRO, *IN_JSON, (b"nonsense", ())]), max_size=3 * BATCH_SIZE))
def test_events_processed_in_a_batch_are_counted_like_single_events(
    events: list[tuple[bytes | None, RecordHeaders]],
) -> None:
    together, one_by_one = a_redecider(max_named_runs=2), a_redecider(max_named_runs=2)
    together.process(events)
    for event in events:
        one_by_one.process([event])
    assert together.tally == one_by_one.tally


def test_a_selector_is_compared_by_its_spoke() -> None:
    def selector(spoke: str) -> LoadedTable:
        return load_any(
            "selector: s\ninputs: [{name: kind, path: related_service.type, type: string}]\n"
            f"rows: [{{id: S1, order: 1, when: {{kind: fibre}}, then: {{spoke: {spoke}}}}}]\n",
            "s.yaml",
        )

    redecider = BacktestDecider(current=selector("fibre-lab"), draft=selector("other-lab"), max_runs=5)
    fibre = a_document("A").model_copy(update={"related_service": ServiceRef(id="S", type="fibre")})
    tally = tally_of(redecider, RunRequested(run=fibre), a_request("B"))
    assert tally.differences == [
        (RouteChange(RouteVerdict("S1", "spoke fibre-lab"), RouteVerdict("S1", "spoke other-lab")), 1)
    ]
    assert tally.by_row(lambda change: change.draft, ["S1"]) == {"S1": 1, "none": 1}


def test_a_tree_is_decided_once_on_its_root() -> None:
    tally = tally_of(a_redecider(), RunRequested(run=a_tree("A", spec="fibre-line")))
    assert (tally.decided, tally.events) == (1, 1)


runs = st.builds(
    a_request,
    st.text("ABCD", min_size=1, max_size=2),
    st.sampled_from(["fibre-line", "copper-line", "x"]),
    st.sampled_from(["ONDEMAND", "PROACTIVE"]),
)


@settings(max_examples=25, deadline=None)
@given(first=st.lists(runs, max_size=6), second=st.lists(runs, max_size=6))
def test_two_readers_together_count_the_same_as_one(first: list[RunRequested], second: list[RunRequested]) -> None:
    alone = tally_of(a_redecider(max_named_runs=2), *first, *second)
    total = tally_of(a_redecider(max_named_runs=2), *first)
    total.add(tally_of(a_redecider(max_named_runs=2), *second))
    assert (total.changes, total.skipped, total.events) == (alone.changes, alone.skipped, alone.events)
    assert total.runs == alone.runs


@pytest.mark.parametrize("writes", ["avro", "json"])
def test_a_draft_that_reads_the_specification_decides_by_those_that_are_known_now(writes: str) -> None:
    draft = """
selector: spoke-selector
inputs: [{name: technology, path: specification.technology, type: string}]
rows:
  - {id: S1, order: 1, when: {technology: fibre}, then: {spoke: fibre-lab}}
  - {id: S2, order: 2, when: {}, then: {spoke: copper-lab}}
"""
    technology = {"name": "technology", "characteristicValueSpecification": [{"value": "fibre"}]}
    known = {"fibre-line": a_specification("fibre-line", specCharacteristic=[technology])}
    table = load_any(draft, "draft.yaml")
    redecider = BacktestDecider(current=table, draft=table, max_runs=1, specifications=known)
    tally = tally_of(redecider, a_request("A"), a_request("B", spec="copper-line"), writes=writes)
    assert tally.by_row(lambda change: change.draft, ()) == {"S1": 1, "S2": 1}
