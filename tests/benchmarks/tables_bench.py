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
from tests.benchmarks.machine import command_line, machine, on_core, say, yardstick
from tests.benchmarks.page import replace_section, table
from tests.benchmarks.table_arms import ROUNDS, compare, median_micros, millis, one_round, our_table, rows_of, zen_table
from tests.benchmarks.table_samples import SHAPES, WIDTH, a_sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.tables.table import DecisionTable
    from tests.benchmarks.table_samples import TableSample

PACKAGES = ("zen-engine",)
FEW = (1, 2, 3, 4, 6, 10)
ANALYSED = 1_000
AGAIN = 20  # values that come again and again, as those of a topic's events do
COMPARED = 200  # values on which both must decide alike; zen-engine takes milliseconds for each in large tables


def main() -> None:
    """Measure, show, and write the section of the page."""
    given = _arguments()
    with on_core(given.core):
        sections = [_beside_zen(given), _few_rows(given), _analysis()]
    text = "\n\n".join([machine(PACKAGES), f"`{command_line()}`", *sections])
    say(text)
    if given.write:
        replace_section("tables", text)


def _beside_zen(given: argparse.Namespace) -> str:
    ours = ("table", "rows", "compile", "evaluate", "again", "decide")
    head = (*ours, "zen-engine: load", "evaluate", "ratio", "yardstick")
    sizes = [(shape, size) for shape in SHAPES for size in given.rows]
    arms = [_Arms(a_sample(shape, size)) for shape, size in sizes]
    for _ in range(ROUNDS):  # interleaved, so that a disturbance meets one round of a table, not all
        for one in arms:
            one.measure(given.core)
            say("  ".join(one.row()))
    return table(head, [one.row() for one in arms])


class _Arms:
    """One table in both engines, and the best that was measured of each figure."""

    def __init__(self, sample: TableSample) -> None:
        rows = rows_of(sample)
        self._sample = sample
        self._ours = our_table(sample, rows)
        self._zen = zen_table(sample)
        self._canonical = _canonical(self._ours, sample)
        self._again = sample.values[:AGAIN] * (len(sample.values) // AGAIN)
        self._compile = millis(lambda: compile_index(rows, WIDTH))
        self._zen_load = millis(lambda: zen_table(sample)(sample.values[0]))
        self._best = [inf] * 5
        compare(sample, self._ours.evaluate, self._zen, COMPARED)

    def measure(self, core: int) -> None:
        """Measure one round."""
        values = self._sample.values
        found = (
            one_round(self._ours.evaluate, values),
            one_round(self._ours.evaluate, self._again),
            one_round(partial(decide_on, self._ours), self._canonical),
            one_round(self._zen, values),
            yardstick(core),
        )
        self._best = [min(pair) for pair in zip(self._best, found, strict=True)]

    def row(self) -> Sequence[str]:
        """Write the figures."""
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


def _few_rows(given: argparse.Namespace) -> str:
    """Measure from how many rows on the index is quicker than trying each row."""
    samples = [a_sample("mixed", size) for size in FEW]
    rows = [(f"{len(sample.rows)}", *_both_ways(sample), f"{yardstick(given.core):.1f} µs") for sample in samples]
    return table(("rows", "one by one", "by the index", "yardstick"), rows)


def _both_ways(sample: TableSample) -> tuple[str, str]:
    ours = our_table(sample, rows_of(sample))
    index = compile_index(ours.rows, WIDTH)
    one_by_one = median_micros(
        lambda values: next(ours.hits_one_by_one(values, NO_INPUTS), None), _canonical(ours, sample)
    )
    by_index = median_micros(lambda values: next(index.hits(values, NO_INPUTS), None), _canonical(ours, sample))
    return f"{one_by_one:.2f} µs", f"{by_index:.2f} µs"


def _analysis() -> str:
    head = ("analysis", "rows", "columns", "time", "overlaps", "unreachable", "gaps shown", "all of it")
    return table(head, [_analysed(a_sample(shape, ANALYSED)) for shape in SHAPES])


def _analysed(sample: TableSample) -> Sequence[str]:
    ours = our_table(sample, rows_of(sample))
    found = analyse(ours)
    return (
        sample.shape,
        f"{ANALYSED:,}",
        f"{WIDTH}",
        f"**{millis(lambda: analyse(ours)) / 1_000:.2f} s**",
        f"{found.overlap_count:,}",
        f"{len(found.unreachable):,}",
        f"{len(found.gaps)}",
        "checked" if found.complete else "not checked, and said so",
    )


def _canonical(ours: DecisionTable, sample: TableSample) -> list[tuple[object, ...]]:
    return [tuple(canonical(inputs[column.name]) for column in ours.inputs) for inputs in sample.values]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 10, 100, 1_000, 10_000], help="sizes of tables")
    parser.add_argument("--core", type=int, default=min(os.sched_getaffinity(0)), help="the core to measure on")
    parser.add_argument("--write", action=argparse.BooleanOptionalAction, default=True, help="docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
