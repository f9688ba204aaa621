"""Commands show what a table decides for an event, and its saved tests, as text and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from southbound.exit_codes import ExitCode
from southbound.settings.settings import DEFAULTS
from tests.builders.decision_tables import a_file, a_row
from tests.harness.command_line import southbound

if TYPE_CHECKING:
    from pathlib import Path

POLICY, SELECTOR = (str(DEFAULTS / f"tables/{name}.yaml") for name in ("outbound-policy", "spoke-selector"))
EVENT = """\
type: RunRequested
data:
  run:
    run_id: TR1
    name: line
    test_specification: {id: fibre-audit}
    related_service: {id: S, type: fibre}
    mode: PROACTIVE
    characteristic: [{name: speed, value: 900}]
"""
CHILD = '{"run_id": "C", "parent_run_id": "P", "root_run_id": "P", "test_specification": {"id": "fibre-tree"}}'


def test_a_decision_is_shown_with_its_inputs_and_the_nearly_matching_rows(tmp_path: Path) -> None:
    (tmp_path / "event.yaml").write_text(EVENT)
    result = southbound("tables", "explain", POLICY, "--event", str(tmp_path / "event.yaml"))
    assert result.exit_code == ExitCode.SUCCESS, result.stderr
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[0].startswith("TR1: outbound-policy@")
    assert lines[0].endswith("#default decides hierarchical false, payload per-run")
    assert "speed         900" in lines
    assert "R10 would have matched but `spec` is fibre-audit, the cell requires fibre-tree" in lines


def test_a_given_row_that_did_not_decide_is_compared_with_the_run(tmp_path: Path) -> None:
    result = southbound("tables", "explain", POLICY, "--event", "-", "--row", "R30", stdin=EVENT)
    assert "R30 does not match: `has_children` is false, the cell requires true, and `speed` is 900" in result.stdout
    assert [line.split()[:2] for line in result.stdout.splitlines() if line[:1] in "✓✗" and line] == [
        ["✓", "service_type"],
        ["✓", "mode"],
        ["✗", "has_children"],
        ["✗", "speed"],
    ]


def test_json_contains_the_same_explanation(tmp_path: Path) -> None:
    result = southbound("tables", "explain", POLICY, "--event", "-", "--row", "R10", "--json", stdin=EVENT)
    explanation = json.loads(result.stdout)
    assert (explanation["run"], explanation["decided"], explanation["is_child"]) == ("TR1", True, False)
    assert explanation["rows"] == [{"row": "default", "outputs": {"hierarchical": False, "payload": "per-run"}}]
    assert (explanation["inputs"]["speed"], explanation["inputs"]["has_children"]) == (900, False)
    assert [row["row"] for row in explanation["explanation"]["near_misses"]] == ["R10", "R20"]
    assert (explanation["why_not"]["matches"], explanation["why_not"]["decides"]) == (False, False)


def test_a_run_without_a_matching_row_is_explained_and_the_command_succeeds() -> None:
    part = "related_service: {type: cable}\n"
    result = southbound("tables", "explain", SELECTOR, "--event", "-", "--row", "S50", stdin=part)
    assert result.exit_code == ExitCode.SUCCESS
    assert "this run: no row of spoke-selector@" in result.stdout
    assert "S50 would have matched but it is switched off" in result.stdout
    assert "S50 does not match: it is switched off" in result.stdout
    explanation = json.loads(southbound("tables", "explain", SELECTOR, "--event", "-", "--json", stdin=part).stdout)
    assert (explanation["decided"], explanation["reason"], explanation["why_not"]) == (False, "NO_ROW_MATCHES", None)


def test_for_a_child_the_decision_of_its_root_is_shown() -> None:
    result = southbound("tables", "explain", POLICY, "--event", "-", stdin=CHILD)
    assert "#R10 decides hierarchical true" in result.stdout
    assert "follows the decision for its root" in result.stdout


def test_every_run_of_a_file_is_explained() -> None:
    events = "\n".join(
        json.dumps({"type": "RunRequested", "data": {"run": {**json.loads(CHILD), "run_id": run_id, **NAMED}}})
        for run_id in ("A", "B")
    )
    lines = southbound("tables", "explain", POLICY, "--event", "-", "--json", stdin=events).stdout.splitlines()
    assert [json.loads(line)["run"] for line in lines] == ["A", "B"]


NAMED = {"name": "n", "related_service": {"id": "S"}}


@pytest.mark.parametrize(
    ("words", "stdin", "expected"),
    [
        ([POLICY, "--event", "nothing.yaml"], "", "nothing.yaml: cannot be read"),
        (["nothing.yaml", "--event", "-"], EVENT, "nothing.yaml: cannot be read"),
        ([POLICY, "--event", "-", "--row", "R99"], EVENT, "has no row R99: there are R10, R20, R30, default"),
        ([POLICY, "--event", "-"], "spec: fibre-line\n", "stdin:1: 'spec' is not a field of a run document"),
        ([POLICY, "--event", "-"], "test_specification:\n  id: a\n  idd: b\n", "stdin:3: 'test_specification.idd'"),
        ([POLICY, "--event", "-"], EVENT.replace("run_id", "run_ID"), "run.run_id is missing"),
        ([POLICY, "--event", "-"], "[]", "holds no event"),
        ([POLICY, "--event", "-"], "{type: RunCancelled, data: {run_id: A, root_run_id: A}}", "has a run document"),
    ],
)
def test_input_that_cannot_be_explained_is_reported_with_the_remedy(
    words: list[str], stdin: str, expected: str
) -> None:
    result = southbound("tables", "explain", *words, stdin=stdin)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert expected in result.stderr


TESTS = """\
tests:
  - {name: whole, given: {test_specification: {id: fibre-line}}, expect: {row: R1, hierarchical: true}}
  - {name: too much, given: {test_specification: {id: copper-line}}, expect: {row: R1}}
"""


@pytest.fixture
def failing(tmp_path: Path) -> str:
    """A table with one failing test, which `check` refuses."""
    file = tmp_path / "t.yaml"
    file.write_text(a_file([a_row("R1", "spec: fibre-line")], more=TESTS))
    return str(file)


def test_every_saved_test_is_shown_with_the_reason_of_a_failure(failing: str) -> None:
    result = southbound("tables", "test", failing, POLICY)
    assert result.exit_code == ExitCode.INVALID_INPUT
    lines = result.stdout.splitlines()
    assert lines[:5] == [
        "✓ whole",
        "✗ too much (line 15)",
        "  expected row R1",
        "  found no row",
        "    R1 would have matched but `spec` is copper-line, the cell requires fibre-line",
    ]
    assert f"{failing}: 1 of 2 saved tests failed" in result.stderr
    assert f"{POLICY}: all 5 saved tests passed" in lines


def test_json_contains_every_saved_test(failing: str) -> None:
    result = southbound("tables", "test", failing, "--json")
    results = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(saved["test"], saved["passed"]) for saved in results] == [("whole", True), ("too much", False)]
    assert (results[1]["expected"], results[1]["actual"], results[1]["line"]) == ("row R1", "no row", 15)


def test_the_command_succeeds_when_all_saved_tests_pass(tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text(a_file())
    result = southbound("tables", "test", SELECTOR, str(tmp_path / "none.yaml"))
    assert result.exit_code == ExitCode.SUCCESS
    assert "none.yaml: no saved tests" in result.stdout


def test_a_file_that_is_not_a_table_does_not_hide_the_tests_of_others(failing: str, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("table: x\n")
    result = southbound("tables", "test", str(tmp_path / "broken.yaml"), failing)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "✓ whole" in result.stdout
    assert "broken.yaml:1:" in result.stderr
    assert "1 of 2 saved tests failed" in result.stderr


def test_json_values_keep_their_types_and_a_missing_value_is_distinct(tmp_path: Path) -> None:
    file = tmp_path / "fees.yaml"
    file.write_text(
        "table: fees\n"
        "inputs: [{name: spec, path: test_specification.id, type: string}, {name: speed, path: 'characteristic[speed]'"
        ", type: number}]\n"
        "outputs: [{name: fee, type: number}, {name: most, type: number}, {name: wait, type: days-duration}]\n"
        "rows: [{id: R1, when: {}, then: {fee: 0.05, most: 1e30, wait: P1DT2H}}]\n"
    )
    event = "{characteristic: {speed: 0.1}}"
    result = southbound("tables", "explain", str(file), "--event", "-", "--json", stdin=event)
    explanation = json.loads(result.stdout)
    assert explanation["inputs"] == {"spec": None, "speed": 0.1}
    assert explanation["rows"][0]["outputs"] == {"fee": 0.05, "most": 10**30, "wait": "P1DT2H"}


@pytest.mark.parametrize("command", ["test", "analyse"])
def test_json_contains_a_file_that_does_not_load(command: str) -> None:
    result = southbound("tables", command, "nowhere.yaml", POLICY, "--json")
    assert result.exit_code == ExitCode.INVALID_INPUT
    missing, *others = map(json.loads, result.stdout.splitlines())
    assert (missing["file"], len(missing["errors"])) == ("nowhere.yaml", 1)
    assert {analysed["file"] for analysed in others} == {POLICY}
