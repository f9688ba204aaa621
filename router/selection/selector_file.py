"""Load a spoke selector: a table whose rows have an order, a switch and perhaps a threshold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from router.selection.fact_model import RUN_FACTS
from router.selection.spoke_selector import SpokeSelector, Threshold, decide_selector
from router.tables.feel.literals import read_duration
from router.tables.feel.unary_test import CellError
from router.tables.feel.writer import value_text
from router.tables.formats.document import ExtraColumn, ExtraField, TableDocument
from router.tables.formats.entries import not_allowed_sentence
from router.tables.formats.loader import TABLE_LAYOUT, FileLayout, check_file, read_table_file, table_tree_from_yaml
from router.tables.formats.sheets.grid import SheetExtras
from router.tables.model import Output
from schemas.files.located_tree import Block, Scalar

if TYPE_CHECKING:
    from collections.abc import Collection

    from router.tables.formats.fields import BlockReader
    from router.tables.formats.loader import TableFile, TableTree
    from router.tables.model import Row

_LAYOUT = FileLayout(
    kind="selector",
    keys=("selector", "inputs", "rows", "default", "tests", "note"),
    row_keys=("id", "order", "active", "when", "then", "threshold", "note"),
    outputs=(Output(name="spoke", type="string"),),
    foreign_keys={
        "outputs": "a selector decides 'spoke' and nothing else: leave it out",
        "policy": "a selector takes the first row that fits, by 'order': leave it out",
    },
)

_ONLY_IN_SELECTORS = "only a spoke selector has it, whose file begins with 'selector:' instead of 'table:'"

# Decision tables of runs, with hints for the keys that only selectors have.
RUN_TABLE_LAYOUT = replace(
    TABLE_LAYOUT, foreign_keys=dict.fromkeys(("order", "active", "threshold"), _ONLY_IN_SELECTORS)
)

_EXTRA_COLUMNS = (
    ExtraColumn("order", ("order",), "whole number", is_before_inputs=True),
    ExtraColumn("active", ("active",), "boolean", is_before_inputs=True, default="true"),
    ExtraColumn("max", ("threshold", "max"), "whole number"),
    ExtraColumn("period", ("threshold", "period"), "text"),
)

SELECTOR_SHEETS = SheetExtras(columns=_EXTRA_COLUMNS, kinds_with_fixed_outputs=("selector",))


def load_selector(text: str, source_name: str, spokes: Collection[str] | None = None) -> SpokeSelector:
    """Load a spoke selector; `spokes` are the systems that have a profile, None where that is not known.

    Raises:
        TableErrors: everything that is wrong, each with file, line, row and column.
    """
    return build_selector(table_tree_from_yaml(text, source_name), spokes)


def build_selector(tree: TableTree, spokes: Collection[str] | None = None) -> SpokeSelector:
    """Check a spoke selector and run its saved tests.

    Raises:
        TableErrors: everything that is wrong, each with its place, row and column.
    """
    file = read_table_file(tree, _LAYOUT, RUN_FACTS)
    selector = _selector(file)
    _check_spokes(file, spokes)
    check_file(file, lambda facts: decide_selector(selector, facts))
    return selector


def _selector(file: TableFile) -> SpokeSelector:
    orders = _orders(file)
    ordered = sorted(file.rows, key=lambda entry: orders.get(entry[1].id, 0))
    active = {row.id: _active(fields) for fields, row in ordered}
    thresholds = {row.id: threshold for fields, row in ordered if (threshold := _threshold(fields))}
    return SpokeSelector(
        table=replace(file.table, rows=tuple(row for _, row in ordered if active[row.id])),
        orders=MappingProxyType(orders),
        thresholds=MappingProxyType(thresholds),
        inactive=tuple(row for _, row in ordered if not active[row.id]),
    )


def _orders(file: TableFile) -> dict[str, int]:
    """Read the order of each row; with two rows of one order the choice would be arbitrary."""
    orders: dict[str, int] = {}
    first: dict[int, str] = {}
    for fields, row in file.rows:
        order = orders[row.id] = _whole_number(fields, "order")
        if order in first:
            fields.report(f"row {first[order]} has the order {order} already", fields.line_of("order"))
        if fields.tree("order"):
            first.setdefault(order, row.id)
    return orders


def _whole_number(fields: BlockReader, key: str) -> int:
    tree = fields.tree(key)
    if isinstance(tree, Scalar) and isinstance(tree.value, int) and not isinstance(tree.value, bool):
        return tree.value
    problem = "is missing; write" if tree is None else "must be"
    fields.report(f"'{key}' {problem} a whole number", fields.line_of(key))
    return 0


def _active(fields: BlockReader) -> bool:
    tree = fields.tree("active")
    if tree is None:
        return True
    if isinstance(tree, Scalar) and isinstance(tree.value, bool):
        return tree.value
    fields.report("'active' must be true or false", fields.line_of("active"))
    return True


def _threshold(fields: BlockReader) -> Threshold | None:
    if fields.tree("threshold") is None:
        return None
    block = fields.block("threshold", f"{fields.context}, threshold")
    if not isinstance(fields.tree("threshold"), Block):
        return None
    block.check_keys(("max", "period"))
    max_uses = _whole_number(block, "max")
    tree = block.tree("max")
    if max_uses < 1 and isinstance(tree, Scalar) and tree.value == max_uses:
        block.report("'max' must be at least 1; switch a definition off with 'active: false'")
    return Threshold(max=max_uses, period=_period(block))


def _period(block: BlockReader) -> timedelta:
    text = block.text("period")
    try:
        period = read_duration(text) if text else timedelta()
    except CellError as error:
        block.report(f"period: {error}", block.line_of("period"))
        return timedelta()
    if isinstance(period, timedelta) and (period > timedelta() or not text):
        return period
    block.report("'period' must be a span of days or time, such as PT1H or P1D", block.line_of("period"))
    return timedelta()


def _check_spokes(file: TableFile, spokes: Collection[str] | None) -> None:
    if spokes is None:
        return
    for fields, row in file.rows:
        _check_spoke(fields, row, spokes, "then")
    if file.table.default:
        _check_spoke(file.fields.named("default row"), file.table.default, spokes, "default")


def _check_spoke(fields: BlockReader, row: Row, spokes: Collection[str], key: str) -> None:
    spoke = row.outputs["spoke"]
    if spoke is not None and spoke not in spokes:
        problem = not_allowed_sentence(str(spoke), sorted(spokes)).replace("allowed values", "known spokes")
        fields.named(f"{fields.context}, output 'spoke'").report(problem, fields.line_of(key))


def selector_document(selector: SpokeSelector) -> TableDocument:
    """Return a selector as its file spells it: all definitions, active or not, by their order."""
    rows = (*selector.table.rows, *selector.inactive)
    inactive = {row.id for row in selector.inactive}
    return TableDocument(
        kind="selector",
        table=selector.table,
        has_policy=False,
        rows=tuple(sorted(rows, key=lambda row: selector.orders[row.id])),
        extra_columns=_EXTRA_COLUMNS,
        ordered_by_place=False,
        extras={row.id: _extra_fields(selector, row, active=row.id not in inactive) for row in rows},
    )


def _extra_fields(selector: SpokeSelector, row: Row, *, active: bool) -> tuple[ExtraField, ...]:
    order, limit = selector.orders[row.id], selector.thresholds.get(row.id)
    period = value_text(limit.period) if limit else ""
    return (
        ExtraField("order", order, "order", str(order)),
        ExtraField("active", None if active else False, "active", "true" if active else "false"),
        ExtraField("threshold", {"max": limit.max, "period": period}, "threshold", f"{limit.max} per {period}")
        if limit
        else ExtraField("threshold", None, "threshold", ""),
    )
