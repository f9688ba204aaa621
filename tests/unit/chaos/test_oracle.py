"""The oracle of the chaos suite finds what must never happen, and accepts only what is explained."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.conductor.catalogue import ELSEWHERE, SCENARIOS
from tests.chaos.conductor.oracle import LINGER, LOOK_UPS, Breach, Fault, Oracle

SETTLE = 2.0
TESTS = Path(__file__).parents[2]


def an_oracle(*runs: str) -> Oracle:
    oracle = Oracle(settle_time=SETTLE)
    for run in runs:
        oracle.expect(run)
    return oracle


def post(oracle: Oracle, at: float, fault: Fault = Fault.NONE, *, run: str = "A", key: str = "k") -> None:
    oracle.posted(run, key=key, digest=1, at=at, fault=fault)


def look_up(oracle: Oracle, *times: float, run: str | None = "A") -> None:
    for at in times:
        oracle.looked_up(run, at=at)


def test_a_second_post_after_a_fault_and_a_settled_look_up_is_explained() -> None:
    oracle = an_oracle("A")
    post(oracle, 1.0, Fault.RESET_BEFORE)
    look_up(oracle, 1.5, 2.0, 3.1)
    post(oracle, 3.2)
    assert oracle.breaches == {}
    assert oracle.counts["second posts"] == 1


@pytest.mark.parametrize(
    "times",
    [
        pytest.param((), id="none"),
        pytest.param((3.5,), id="one"),
        pytest.param((1.1, 1.2, 1.3, 2.4), id="none after the settle time"),
        pytest.param((0.1, 0.2, 0.3), id="all before the POST"),
    ],
)
def test_look_ups_that_settle_nothing_explain_no_second_post(times: tuple[float, ...]) -> None:
    oracle = an_oracle("A")
    look_up(oracle, *(at for at in times if at < 1.0))
    post(oracle, 1.0, Fault.HANG_BEFORE)
    look_up(oracle, *(at for at in times if at > 1.0))
    post(oracle, 4.0)
    assert oracle.breaches == {Breach.UNEXPLAINED_POST: 1}


def test_a_post_that_a_stalled_system_read_late_was_written_before_the_stall() -> None:
    for stall, breaches in (((5.0, 10.0), {}), ((5.0, 9.0), {Breach.UNEXPLAINED_POST: 1})):
        oracle = an_oracle("A")
        post(oracle, 10.0, Fault.HANG_BEFORE)
        oracle.stalled(*stall)
        look_up(oracle, 10.1, 10.5, 11.0)
        post(oracle, 11.1)
        assert oracle.breaches == breaches


def test_settled_look_ups_alone_explain_nothing_without_a_recorded_disturbance() -> None:
    def repeated_refusal(*disturbances: float) -> Oracle:
        oracle = an_oracle("A")
        for at in disturbances:
            oracle.disturbed(at)
        oracle.posted("A", key="k", digest=1, at=100.0, fault=Fault.NONE, refused=True)
        look_up(oracle, 101.0, 102.0, 103.0)
        oracle.posted("A", key="k", digest=1, at=104.0, fault=Fault.NONE, refused=True)
        return oracle

    assert repeated_refusal().breaches == {Breach.UNEXPLAINED_POST: 1}
    assert repeated_refusal(99.0 - LINGER, 105.0).breaches == {Breach.UNEXPLAINED_POST: 1}
    assert repeated_refusal(101.5).breaches == {}


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault.creates])
def test_nothing_explains_a_post_of_a_run_that_the_system_has(fault: Fault) -> None:
    oracle = an_oracle("A")
    post(oracle, 1.0, fault)
    oracle.disturbed(1.1)
    look_up(oracle, 2.0, 3.0, 4.0)
    post(oracle, 5.0)
    assert oracle.breaches == {Breach.CREATED_TWICE: 1}
    assert "POST none" in oracle.named[Breach.CREATED_TWICE][0]


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.THROTTLED])
def test_a_post_that_was_turned_away_may_be_repeated_at_once(fault: Fault) -> None:
    oracle = an_oracle("A")
    post(oracle, 1.0, fault)
    post(oracle, 1.1)
    assert oracle.breaches == {}


def test_a_turned_away_post_does_not_hide_the_doubt_before_it() -> None:
    oracle = an_oracle("A")
    post(oracle, 1.0, Fault.RESET_BEFORE)
    look_up(oracle, 1.5, 2.0, 3.1)
    post(oracle, 3.2, Fault.BUSY)
    post(oracle, 3.3)
    assert oracle.breaches == {}
    post(oracle, 3.4)
    assert oracle.breaches == {Breach.CREATED_TWICE: 1}


def test_another_key_or_body_of_a_second_post_is_found() -> None:
    oracle = an_oracle("A")
    post(oracle, 1.0, Fault.RESET_BEFORE)
    look_up(oracle, 1.5, 2.0, 3.1)
    post(oracle, 3.2, key="another")
    assert oracle.breaches == {Breach.CHANGED_POST: 1}


def test_reading_the_whole_list_is_a_look_up_of_every_run_in_doubt() -> None:
    oracle = an_oracle("A", "B")
    for run in "AB":
        post(oracle, 1.0, Fault.RESET_BEFORE, run=run)
    look_up(oracle, 1.5, 2.0, 3.1, run=None)
    for run in "AB":
        post(oracle, 3.2, run=run)
    assert oracle.breaches == {}


def test_a_child_is_not_sent_before_the_system_has_its_parent() -> None:
    for fault, expected in ((Fault.NONE, {}), (Fault.RESET_BEFORE, {Breach.CHILD_BEFORE_PARENT: 1})):
        oracle = an_oracle("A")
        oracle.expect("A-1", parent="A")
        post(oracle, 1.0, fault)
        post(oracle, 1.1, run="A-1")
        assert oracle.breaches == expected


@given(st.permutations(range(2, 7)))
def test_every_order_of_versions_but_a_rising_one_is_found(versions: list[int]) -> None:
    oracle = an_oracle("A")
    post(oracle, 1.0)
    for at, version in enumerate(versions, 2):
        oracle.patched("A", version, at=float(at))
    assert bool(oracle.breaches[Breach.REORDERED]) == (versions != sorted(versions))


def test_a_version_is_patched_twice_only_after_a_disturbance() -> None:
    oracle = an_oracle("A")
    post(oracle, 1.0)
    oracle.patched("A", 2, at=20.0)
    oracle.patched("A", 2, at=20.1)
    assert oracle.breaches == {Breach.UNEXPLAINED_PATCH: 1}
    oracle.disturbed(20.2)
    oracle.patched("A", 2, at=20.3)
    assert oracle.breaches == {Breach.UNEXPLAINED_PATCH: 1}


def test_a_disturbance_that_lasts_explains_what_happens_until_it_ends_and_shortly_after_it() -> None:
    oracle, clock = an_oracle(), iter((20.0, 80.0))
    with oracle.lasting(lambda: next(clock)):
        assert oracle.is_disturbed(70.0, 71.0)
    assert oracle.is_disturbed(80.0 + LINGER, 90.0)
    assert not oracle.is_disturbed(80.1 + LINGER, 90.0)
    assert not oracle.is_disturbed(10.0, 19.9)


def test_a_result_may_be_published_twice_and_another_result_may_not() -> None:
    oracle = an_oracle("A")
    oracle.result("A", "e1")
    oracle.result("A", "e1")
    assert oracle.breaches == {}
    oracle.result("A", "e2")
    assert oracle.breaches == {Breach.TWO_RESULTS: 1}


def test_runs_and_requests_without_a_result_are_lost() -> None:
    oracle = an_oracle("A", "B")
    post(oracle, 1.0)
    oracle.result("B", "e")
    oracle.judge_end()
    assert oracle.named[Breach.LOST] == ["A: no result; 1.00 POST none"] + [
        f"{run}: no result of the request" for run in "AB"
    ]


def test_a_revision_falls_only_in_a_repeated_update() -> None:
    oracle = an_oracle("A")
    oracle.updated("A", 3, repeated=False)
    oracle.updated("A", 2, repeated=True)
    assert oracle.breaches == {}
    oracle.updated("A", 2, repeated=False)
    assert oracle.breaches == {Breach.REVISION_FELL: 1}


def test_runs_that_were_never_requested_are_found() -> None:
    oracle = an_oracle()
    post(oracle, 1.0)
    oracle.result("B", "e")
    assert oracle.breaches == {Breach.UNREQUESTED: 2}


def test_three_look_ups_are_required_as_the_guarantees_say() -> None:
    text = (TESTS.parent / "docs/guarantees.md").read_text()
    assert LOOK_UPS == 3
    assert "Only after at least three such\nanswers, the last one at least `settle_time` after the POST" in text


def test_every_scenario_disturbs_and_says_what_is_expected() -> None:
    for scenario in SCENARIOS.values():
        assert scenario.mix or scenario.infrastructure or scenario.script, scenario.name
        assert scenario.disturbance, scenario.name
        assert scenario.expectation, scenario.name


@pytest.mark.parametrize("line", ELSEWHERE, ids=lambda line: line.disturbance)
def test_the_tests_that_cover_the_other_lines_exist(line: object) -> None:
    file, _, name = line.test.partition("::")  # type: ignore[attr-defined]
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in names
