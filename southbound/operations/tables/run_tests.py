"""Run the tests that are saved with tables, and show every one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from router.selection.load import decision_function, table_of
from router.tables.explain.explain import explanation_lines
from router.tables.test_cases import check_test
from southbound.cli.exit_codes import CommandFailedError, ExitCode, invalid_input
from southbound.operations.tables.lookup import load_untested

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.tables.test_cases import SavedTestResult


def test_tables(files: Sequence[str], *, as_json: bool) -> int:
    """Run the tests of each file; files that cannot be used are reported at the end."""
    mistakes: list[str] = []
    for file in files:
        try:
            outcomes = list(_test_results(file))
        except CommandFailedError as failure:
            mistakes += failure.sentences
            if as_json:
                print(orjson.dumps({"file": file, "errors": failure.sentences}).decode())  # noqa: T201 - it was asked for
            continue
        failed = sum(not one.passed for one in outcomes)
        for one in outcomes:
            print(_result_json(file, one) if as_json else _result_text(one))  # noqa: T201 - it was asked for
        if not as_json:
            print(f"{file}: {_result_summary(len(outcomes), failed)}")  # noqa: T201 - as above
        if failed:
            mistakes.append(f"{file}: {_result_summary(len(outcomes), failed)}")
    if mistakes:
        raise invalid_input(mistakes)
    return ExitCode.SUCCESS


def _test_results(file: str) -> Iterator[SavedTestResult]:
    loaded = load_untested(file)
    decide = decision_function(loaded)
    return (check_test(test, decide(test.facts)) for test in table_of(loaded).tests)


def _result_summary(tests: int, failed: int) -> str:
    if not tests:
        return "no saved tests"
    return f"{failed} of {tests} saved tests failed" if failed else f"all {tests} saved tests passed"


def _result_text(one: SavedTestResult) -> str:
    if one.passed:
        return f"✓ {one.test.name}"
    why = "".join(f"\n    {line}" for line in explanation_lines(one.decision))
    return f"✗ {one.test.name} (line {one.test.line})\n  expected {one.expected}\n  found {one.actual}{why}"


def _result_json(file: str, one: SavedTestResult) -> str:
    table = one.decision.table
    return orjson.dumps(
        {
            "file": file,
            "table": f"{table.id}@{table.version}",
            "test": one.test.name,
            "line": one.test.line,
            "passed": one.passed,
            "expected": one.expected,
            "actual": one.actual,
            "explanation": explanation_lines(one.decision),
        }
    ).decode()
