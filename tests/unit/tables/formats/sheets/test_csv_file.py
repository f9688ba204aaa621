"""A table that is written as CSV loads as the same table; a mistake in it is reported with its line and cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings

from router.selection.load import build_any, document_of
from router.selection.selector_file import SELECTOR_SHEETS
from router.tables.formats.sheets.csv_file import table_tree_from_csv, write_csv
from tests.generators.decision_tables import selectors, tables, without_version

if TYPE_CHECKING:
    from router.selection.spoke_selector import SpokeSelector
    from router.tables.table import DecisionTable


@settings(deadline=None)
@given(table=tables())
def test_a_table_reads_back_as_itself(table: DecisionTable) -> None:
    assert without_version(build_any(table_tree_from_csv(write_csv(document_of(table)).encode(), "t.csv"))) == table


@settings(deadline=None)
@given(selector=selectors())
def test_a_selector_reads_back_as_itself(selector: SpokeSelector) -> None:
    content = write_csv(document_of(selector)).encode()
    assert without_version(build_any(table_tree_from_csv(content, "s.csv", SELECTOR_SHEETS))) == selector
