"""Run `southbound tables test`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from router.selection.load import decision_function, table_of
from router.tables.explain.explain import explanation_lines
from router.tables.test_cases import check_test
from schemas.text.counts import count_noun
from southbound.exit_codes import CommandFailedError, ExitCode, invalid_input
from southbound.operations.console import print_json, print_text
from southbound.operations.tables.lookup import load_untested

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.tables.test_cases import SavedTestResult


def test_tables(files: Sequence[str], *, as_json: bool) -> int:
    """Run `southbound tables test`.

    Raises:
        CommandFailedError: a test failed, or a file cannot be used.
    """
    mistakes: list[str] = []
    for file in files:
        try:
            outcomes = list(_test_results(file))
        except CommandFailedError as failure:
            mistakes += failure.sentences
            if as_json:
                print_json(orjson.dumps({"file": file, "errors": failure.sentences}).decode())
            continue
        failed = sum(not outcome.passed for outcome in outcomes)
        for outcome in outcomes:
            if as_json:
                print_json(_result_json(file, outcome))
            else:
                print_text(_result_text(outcome))
        if not as_json:
            print_text(f"{file}: {_result_summary(len(outcomes), failed)}")
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
    if failed:
        return f"{failed} of {count_noun(tests, 'saved test')} failed"
    return f"all {tests} saved tests passed" if tests > 1 else "the saved test passed"


def _result_text(outcome: SavedTestResult) -> str:
    if outcome.passed:
        return f"✓ {outcome.test.name}"
    lines = [
        f"✗ {outcome.test.name} (line {outcome.test.line})",
        f"  expected {outcome.expected}",
        f"  found {outcome.actual}",
        *(f"    {line}" for line in explanation_lines(outcome.decision)),
    ]
    return "\n".join(lines)


def _result_json(file: str, outcome: SavedTestResult) -> str:
    table = outcome.decision.table
    return orjson.dumps(
        {
            "file": file,
            "table": f"{table.id}@{table.version}",
            "test": outcome.test.name,
            "line": outcome.test.line,
            "passed": outcome.passed,
            "expected": outcome.expected,
            "actual": outcome.actual,
            "explanation": explanation_lines(outcome.decision),
        }
    ).decode()
