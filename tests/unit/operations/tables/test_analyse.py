"""`southbound tables analyse` reports the problems of whole tables as text and as JSON."""

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

SHIPPED = sorted(str(path) for path in (DEFAULTS / "tables").glob("*.yaml"))
BUNDLE = "{hierarchical: false, payload: bundle}"


@pytest.fixture
def covered(tmp_path: Path) -> Path:
    """A table whose second row is never reached."""
    file = tmp_path / "covered.yaml"
    file.write_text(
        a_file([a_row("R1", "spec: not(a)"), a_row("R2", "spec: b"), a_row("R3", "mode: ONDEMAND", BUNDLE)])
    )
    return file


def test_the_shipped_tables_have_no_errors() -> None:
    result = southbound("tables", "analyse", *SHIPPED)
    assert result.exit_code == ExitCode.SUCCESS
    assert result.output.count("everything was checked") == len(SHIPPED)
    assert "0 rows never reached" in result.output


def test_errors_fail_the_command_and_all_findings_are_printed(covered: Path) -> None:
    result = southbound("tables", "analyse", str(covered))
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert f"{covered}: row R2 is never reached: row R1 above it takes everything that it takes" in result.stderr
    assert "warning: rows R1 and R3 both match where" in result.stdout
    assert 'warning: no row matches where spec="a", mode="PROACTIVE"' in result.stdout


def test_json_contains_every_finding_with_an_example(covered: Path) -> None:
    result = southbound("tables", "analyse", str(covered), "--json")
    assert result.exit_code == ExitCode.INVALID_INPUT
    [line] = result.stdout.splitlines()
    found = json.loads(line)
    assert found["unreachable"] == [{"row": "R2", "covered_by": ["R1"], "list_inputs": []}]
    assert found["complete"] is True
    assert found["gaps"][0]["where"] == 'spec="a", mode="PROACTIVE"'
    assert found["gaps"][0]["example"]["spec"] == "a"
    assert ["R1", "R3"] in [finding["rows"] for finding in found["overlaps"]]


def test_a_file_that_does_not_load_does_not_hide_the_others(covered: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(a_file([a_row("R1", 'priority: "[1..5"')]))
    result = southbound("tables", "analyse", str(broken), str(covered))
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "broken.yaml:12: row R1, column 'priority': interval" in result.stderr
    assert "covered.yaml: row R2 is never reached" in result.stderr


def test_a_table_with_a_failing_saved_test_is_analysed(covered: Path) -> None:
    covered.write_text(covered.read_text() + "tests: [{name: wrong, given: {}, expect: {row: R2}}]\n")
    result = southbound("tables", "analyse", str(covered))
    assert "row R2 is never reached" in result.stderr
    assert "test 'wrong'" not in result.stderr
