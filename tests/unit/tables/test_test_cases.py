"""The saved tests of a table: all of them pass before it is used."""

from __future__ import annotations

import pytest

from router.selection.fact_model import RUN_FACTS
from router.tables.diagnostics import TableErrors
from router.tables.formats.loader import load_table
from tests.builders.decision_tables import a_file, a_row

ROWS = [a_row("R10", "spec: fibre-line"), a_row("R20", "spec: fibre-tree", "{hierarchical: false, payload: bundle}")]
DEFAULT = "default: {hierarchical: false, payload: per-run}\n"


def with_test(test: str, default: str = DEFAULT) -> str:
    """Return a table with one saved test, on the line after `tests:`."""
    return a_file(ROWS, more=f"{default}tests:\n  - {{name: it, {test}}}\n")


@pytest.mark.parametrize(
    "test",
    [
        "given: {test_specification: {id: fibre-line}}, expect: {row: R10}",
        "given: {test_specification: {id: fibre-tree}}, expect: {row: R20, payload: bundle}",
        "given: {test_specification: {id: fibre-tree}}, expect: {hierarchical: false}",
        "given: {}, expect: {row: default}",
        "given: {characteristic: {speed: 3}, has_children: true}, expect: {row: default, hierarchical: false}",
        "given: {characteristic: [{name: speed, value: 3}]}, expect: {row: default}",
    ],
)
def test_a_table_whose_tests_pass_is_loaded(test: str) -> None:
    assert len(load_table(with_test(test), "t.yaml", RUN_FACTS).tests) == 1


def test_a_test_may_expect_that_nothing_matches() -> None:
    assert load_table(with_test("given: {}, expect: {row: none}", default=""), "t.yaml", RUN_FACTS).default is None


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        (
            "given: {test_specification: {id: fibre-tree}}, expect: {row: R10}",
            "test 'it' expected row R10, got row R20 (",
        ),
        (
            "given: {test_specification: {id: fibre-tree}}, expect: {payload: per-run}",
            "test 'it' expected payload per-run, got row R20 with payload bundle (",
        ),
        ("given: {}, expect: {row: R10}", "test 'it' expected row R10, got the default row ("),
        ("given: {test_specification: {id: fibre-tree}}, expect: {row: none}", "expected no row, got row R20 ("),
        ("given: {tennant: x}, expect: {row: R10}", "test 'it': 'tennant' is not a field of a run document"),
        ("given: {priority: high}, expect: {row: R10}", "test 'it': 'priority' cannot be so"),
        ("given: x, expect: {row: R10}", "test 'it': 'given' must be an object"),
        ("expect: {row: R10}", "test 'it': 'given' must be an object"),
        ("given: {}", "test 'it': 'expect' is missing"),
        ("given: {}, expect: {}", "test 'it': expects nothing"),
        ("given: {}, expect: {row: R99}", "test 'it': expects row R99, which the table does not have"),
        ("given: {}, expect: {paylod: x}", "test 'it': unknown key 'paylod'; did you mean 'payload'?"),
        ("given: {}, expect: {payload: x}", "test 'it': output 'payload': x is not one of the allowed values"),
        ("given: {}, expct: {}", "test 'it': unknown key 'expct'"),
    ],
)
def test_a_failing_or_wrong_test_keeps_the_table_from_being_used(test: str, sentence: str) -> None:
    with pytest.raises(TableErrors) as refused:
        load_table(with_test(test), "t.yaml", RUN_FACTS)
    assert any(problem.startswith("t.yaml:16: ") and sentence in problem for problem in refused.value.sentences)


def test_a_failing_test_says_why_the_table_decided_otherwise() -> None:
    test = "given: {test_specification: {id: fibre-lime}}, expect: {row: R10}"
    with pytest.raises(
        TableErrors, match="R10 would have matched but `spec` is fibre-lime, the cell requires fibre-line"
    ):
        load_table(with_test(test), "t.yaml", RUN_FACTS)


def test_a_broken_table_is_not_tested() -> None:
    text = with_test("given: {}, expect: {row: R10}").replace("spec: fibre-line", "spec: 5")
    with pytest.raises(TableErrors) as refused:
        load_table(text, "t.yaml", RUN_FACTS)
    assert len(refused.value.sentences) == 1
