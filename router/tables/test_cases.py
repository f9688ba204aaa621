"""Run the tests that are saved with a table, and compare what it decides with what they expect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.decision import Undecided
from router.tables.explain.explain import explanation_lines
from router.tables.explain.wording import value_in_words
from router.tables.model import DEFAULT_ROW, NO_ROW, ROW_SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from router.tables.decision import Decision
    from router.tables.facts import Facts
    from router.tables.model import SavedTest


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOutcome:
    """A saved test and what its table decided; `expected` and `found` are in words."""

    test: SavedTest
    decision: Decision | Undecided
    expected: str
    found: str
    passed: bool


def tried(test: SavedTest, decision: Decision | Undecided) -> TestOutcome:
    """Hold a decision against what a test expects."""
    got = NO_ROW if isinstance(decision, Undecided) else ROW_SEPARATOR.join(row.id for row in decision.rows)
    outputs = {} if isinstance(decision, Undecided) else decision.outputs
    wrong = [name for name, value in test.outputs.items() if name not in outputs or outputs[name] != value]
    return TestOutcome(
        test=test,
        decision=decision,
        expected=_in_words(test.row, test.outputs),
        found=_in_words(got, {name: outputs[name] for name in wrong if name in outputs}),
        passed=not wrong and test.row in (None, got),
    )


def failure(test: SavedTest, decision: Decision | Undecided) -> str | None:
    """Say what a test expected and what it got; None where they agree."""
    one = tried(test, decision)
    why = "" if one.passed else "; ".join(explanation_lines(decision))
    return None if one.passed else f"test '{test.name}' expected {one.expected}, got {one.found} ({why})"


def _in_words(row: str | None, outputs: Mapping[str, object]) -> str:
    words = [f"{name} {value_in_words(value)}" for name, value in outputs.items()]
    named = {None: [], NO_ROW: ["no row"], DEFAULT_ROW: ["the default row"]}.get(row, [f"row {row}"])
    return " with ".join(filter(None, [*named, ", ".join(words)]))


def run_tests(tests: Iterable[SavedTest], decide: Callable[[Facts], Decision | Undecided]) -> list[tuple[int, str]]:
    """Run saved tests; give line and sentence of each that fails."""
    outcomes = [(test.line, failure(test, decide(test.facts))) for test in tests]
    return [(line, sentence) for line, sentence in outcomes if sentence is not None]
