"""Measure decision tables of growing size beside zen-engine, in one run, on one core."""

from __future__ import annotations

import argparse
import os
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from router.tables.analysis.analysis import analyse
from router.tables.decision import decide_on
from router.tables.feel.conditions import NO_INPUTS
from router.tables.feel.values import canonical
from router.tables.index.index import compile_index
from tests.benchmarks.machine import command_line, describe_machine, on_core, print_progress, yardstick
from tests.benchmarks.page import markdown_table, replace_section
from tests.benchmarks.tables.engines import (
    ROUNDS,
    check_agreement,
    cpu_millis,
    median_micros,
    median_micros_once,
    our_table,
    rows_of,
    zen_table,
)
from tests.benchmarks.tables.table_samples import SHAPES, WIDTH, a_table_sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.tables.table import DecisionTable
    from tests.benchmarks.tables.table_samples import TableSample

PACKAGES = ("zen-engine",)
SMALL_SIZES = (1, 2, 3, 4, 6, 10)
ANALYSED_ROWS = 1_000
REPETITIONS = 20  # values that repeat, as those of a topic's events do
COMPARED_VALUES = 200  # values on which both must agree; zen-engine takes milliseconds for each in large tables


def main() -> None:
    """Measure all tables, print the results and write the section of the page."""
    arguments = _parse_arguments()
    with on_core(arguments.core):
        sections = [_comparison_with_zen(arguments), _index_threshold(arguments), _analysis_table()]
    text = "\n\n".join([describe_machine(PACKAGES), f"`{command_line()}`", *sections])
    print_progress(text)
    if arguments.write:
        replace_section("tables", text)


def _comparison_with_zen(arguments: argparse.Namespace) -> str:
    our_columns = ("table", "rows", "compile", "evaluate", "again", "decide")
    head = (*our_columns, "zen-engine: load", "evaluate", "ratio", "yardstick")
    sizes = [(shape, size) for shape in SHAPES for size in arguments.rows]
    arms = [_EnginePair(a_table_sample(shape, size)) for shape, size in sizes]
    for _ in range(ROUNDS):  # interleaved, so that a disturbance affects one round of a table, not all
        for engines in arms:
            engines.measure(arguments.core)
            print_progress("  ".join(engines.row()))
    return markdown_table(head, [engines.row() for engines in arms])


class _EnginePair:
    """One table in both engines, and the best measurement of each figure."""

    def __init__(self, sample: TableSample) -> None:
        rows = rows_of(sample)
        self._sample = sample
        self._ours = our_table(sample, rows)
        self._zen = zen_table(sample)
        self._canonical = _canonical(self._ours, sample)
        self._again = sample.values[:REPETITIONS] * (len(sample.values) // REPETITIONS)
        self._compile = cpu_millis(lambda: compile_index(rows, WIDTH))
        self._zen_load = cpu_millis(lambda: zen_table(sample)(sample.values[0]))
        self._best = [inf] * 5
        check_agreement(sample, self._ours.evaluate, self._zen, COMPARED_VALUES)

    def measure(self, core: int) -> None:
        """Measure one round."""
        values = self._sample.values
        found = (
            median_micros_once(self._ours.evaluate, values),
            median_micros_once(self._ours.evaluate, self._again),
            median_micros_once(partial(decide_on, self._ours), self._canonical),
            median_micros_once(self._zen, values),
            yardstick(core),
        )
        self._best = [min(pair) for pair in zip(self._best, found, strict=True)]

    def row(self) -> Sequence[str]:
        """Return the figures as a row of the table."""
        evaluate, again, decide, by_zen, yard = self._best
        return (
            self._sample.shape,
            f"{len(self._sample.rows):,}",
            f"{self._compile:.1f} ms",
            f"**{evaluate:.2f} µs**",
            f"**{again:.2f} µs**",
            f"{decide:.2f} µs",
            f"{self._zen_load:.1f} ms",
            f"{by_zen:,.1f} µs",
            f"{by_zen / evaluate:,.0f}",
            f"{yard:.1f} µs",
        )


def _index_threshold(arguments: argparse.Namespace) -> str:
    """Measure from how many rows on the index is faster than trying each row."""
    samples = [a_table_sample("mixed", size) for size in SMALL_SIZES]
    rows = [
        (f"{len(sample.rows)}", *_index_and_scan_times(sample), f"{yardstick(arguments.core):.1f} µs")
        for sample in samples
    ]
    return markdown_table(("rows", "one by one", "by the index", "yardstick"), rows)


def _index_and_scan_times(sample: TableSample) -> tuple[str, str]:
    ours = our_table(sample, rows_of(sample))
    index = compile_index(ours.rows, WIDTH)
    one_by_one = median_micros(lambda values: next(ours.scan_rows(values, NO_INPUTS), None), _canonical(ours, sample))
    by_index = median_micros(
        lambda values: next(index.matching_rows(values, NO_INPUTS), None), _canonical(ours, sample)
    )
    return f"{one_by_one:.2f} µs", f"{by_index:.2f} µs"


def _analysis_table() -> str:
    head = ("analysis", "rows", "columns", "time", "overlaps", "unreachable", "gaps shown", "complete")
    return markdown_table(head, [_analysis_row(a_table_sample(shape, ANALYSED_ROWS)) for shape in SHAPES])


def _analysis_row(sample: TableSample) -> Sequence[str]:
    ours = our_table(sample, rows_of(sample))
    found = analyse(ours)
    return (
        sample.shape,
        f"{ANALYSED_ROWS:,}",
        f"{WIDTH}",
        f"**{cpu_millis(lambda: analyse(ours)) / 1_000:.2f} s**",
        f"{found.overlap_count:,}",
        f"{len(found.unreachable):,}",
        f"{len(found.gaps)}",
        "yes" if found.is_complete else "no",
    )


def _canonical(table: DecisionTable, sample: TableSample) -> list[tuple[object, ...]]:
    return [tuple(canonical(inputs[column.name]) for column in table.inputs) for inputs in sample.values]


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 10, 100, 1_000, 10_000], help="sizes of tables")
    parser.add_argument("--core", type=int, default=min(os.sched_getaffinity(0)), help="the core to measure on")
    parser.add_argument("--write", action=argparse.BooleanOptionalAction, default=True, help="docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
