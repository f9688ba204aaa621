"""Load one table into Southbound and into zen-engine, and evaluate both with the same values."""

from __future__ import annotations

import json
import time
from statistics import median
from typing import TYPE_CHECKING, TypeVar

import zen

from router.tables.feel.unary_test import parse
from router.tables.model import Input, Output, Row
from router.tables.table import DecisionTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.benchmarks.tables.table_samples import TableSample

    Inputs = dict[str, object]
    Evaluate = Callable[[Inputs], object]

Value = TypeVar("Value")

ROUNDS = 5  # the best round counts: a disturbance affects some rounds, not all
MAX_ROUND_SECONDS = 1.0  # seconds per round if an evaluation takes milliseconds
NAMES = tuple(f"in{number}" for number in range(6))


class EnginesDisagreeError(Exception):
    """Two engines decided differently on the same values, so their times cannot be compared."""


def rows_of(sample: TableSample) -> tuple[Row, ...]:
    """Parse the cells of a table."""
    return tuple(
        Row(
            id=f"R{number}",
            cells=tuple(parse(cell.text, of, {}) for cell, of in zip(cells, sample.types, strict=True)),
            outputs={"out": number},
        )
        for number, cells in enumerate(sample.rows)
    )


def our_table(sample: TableSample, rows: tuple[Row, ...]) -> DecisionTable:
    """Compile a table whose cells are parsed."""
    return DecisionTable(
        id="bench",
        version="1",
        inputs=tuple(Input(name=name, type=of) for name, of in zip(NAMES, sample.types, strict=True)),
        outputs=(Output(name="out", type="number"),),
        rows=rows,
    )


def zen_table(sample: TableSample) -> Evaluate:
    """Load the same table into zen-engine. It returns the output, or None."""
    decision = zen.ZenEngine().create_decision(json.dumps(_model(sample)))

    def evaluate(inputs: Inputs) -> object:
        found: object = decision.evaluate(inputs)["result"].get("out")
        return found

    return evaluate


def _model(sample: TableSample) -> dict[str, object]:
    """Return the table as a GoRules graph: a request, the table, a response."""
    at = {"x": 0, "y": 0}
    rules = [
        {"_id": f"R{number}", **{name: cell.zen for name, cell in zip(NAMES, cells, strict=True)}, "out": str(number)}
        for number, cells in enumerate(sample.rows)
    ]
    content = {
        "hitPolicy": "first",
        "inputs": [{"id": name, "name": name, "field": name} for name in NAMES],
        "outputs": [{"id": "out", "name": "out", "field": "out"}],
        "rules": rules,
    }
    return {
        "nodes": [
            {"id": "given", "type": "inputNode", "name": "given", "position": at},
            {"id": "table", "type": "decisionTableNode", "name": "table", "position": at, "content": content},
            {"id": "result", "type": "outputNode", "name": "result", "position": at},
        ],
        "edges": [
            {"id": "1", "sourceId": "given", "targetId": "table", "type": "edge"},
            {"id": "2", "sourceId": "table", "targetId": "result", "type": "edge"},
        ],
    }


def check_agreement(sample: TableSample, ours: Evaluate, theirs: Evaluate, limit: int) -> None:
    """Check that both engines decide alike.

    Raises:
    EnginesDisagreeError: they do not.
    """
    for inputs in sample.values[:limit]:
        if ours(inputs) != theirs(inputs):
            raise EnginesDisagreeError(
                f"{sample.shape}, {len(sample.rows)} rows: {ours(inputs)}, {theirs(inputs)} for {inputs}"
            )


def median_micros(evaluate: Callable[[Value], object], values: Sequence[Value]) -> float:
    """Return the median time of one evaluation in microseconds, in the best of several rounds."""
    return min(median_micros_once(evaluate, values) for _ in range(ROUNDS))


def median_micros_once(evaluate: Callable[[Value], object], values: Sequence[Value]) -> float:
    """Return the median time of one evaluation in microseconds."""
    taken: list[int] = []
    end = time.perf_counter() + MAX_ROUND_SECONDS
    for value in values:
        repr(value)  # when an event is decided, it was just read: its values are in the CPU caches, the table is not
        began = time.perf_counter_ns()
        evaluate(value)
        taken.append(time.perf_counter_ns() - began)
        if time.perf_counter() > end:
            break
    return median(taken) / 1_000


def cpu_millis(work: Callable[[], object]) -> float:
    """Return the CPU time of a piece of work in milliseconds, the best of three."""
    taken = []
    for _ in range(3):
        began = time.thread_time()
        work()
        taken.append(time.thread_time() - began)
    return min(taken) * 1_000
