"""Run the saved tests of a table, and compare its decisions with the expected ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.decision import Undecided
from router.tables.explain.explain import explanation_lines
from router.tables.explain.wording import describe_value
from router.tables.model import DEFAULT_ROW, NO_ROW, ROW_SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from router.tables.decision import Decision
    from router.tables.facts import Facts
    from router.tables.model import SavedTest


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedTestResult:
    """A saved test with the decision of its table. `expected` and `actual` are in words."""

    test: SavedTest
    decision: Decision | Undecided
    expected: str
    actual: str
    passed: bool


def check_test(test: SavedTest, decision: Decision | Undecided) -> SavedTestResult:
    """Compare a decision with what a saved test expects."""
    rows = NO_ROW if isinstance(decision, Undecided) else ROW_SEPARATOR.join(row.id for row in decision.rows)
    outputs = {} if isinstance(decision, Undecided) else decision.outputs
    differing = [name for name, value in test.outputs.items() if name not in outputs or outputs[name] != value]
    return SavedTestResult(
        test=test,
        decision=decision,
        expected=_expectation_text(test.row, test.outputs),
        actual=_expectation_text(rows, {name: outputs[name] for name in differing if name in outputs}),
        passed=not differing and test.row in (None, rows),
    )


def failure_sentence(test: SavedTest, decision: Decision | Undecided) -> str | None:
    """Return a sentence with the expected and the actual decision; None if they agree."""
    outcome = check_test(test, decision)
    reason = "" if outcome.passed else "; ".join(explanation_lines(decision))
    return (
        None if outcome.passed else f"test '{test.name}' expected {outcome.expected}, got {outcome.actual} ({reason})"
    )


def _expectation_text(row: str | None, outputs: Mapping[str, object]) -> str:
    words = [f"{name} {describe_value(value)}" for name, value in outputs.items()]
    named = {None: [], NO_ROW: ["no row"], DEFAULT_ROW: ["the default row"]}.get(row, [f"row {row}"])
    return " with ".join(filter(None, [*named, ", ".join(words)]))


def run_tests(tests: Iterable[SavedTest], decide: Callable[[Facts], Decision | Undecided]) -> list[tuple[int, str]]:
    """Run saved tests. Return the line and a sentence for each test that fails."""
    outcomes = [(test.line, failure_sentence(test, decide(test.facts))) for test in tests]
    return [(line, sentence) for line, sentence in outcomes if sentence is not None]
