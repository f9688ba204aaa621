"""A table that is written as a spreadsheet loads as the same table.

A cell that Excel changed is refused with its address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings

from router.selection.load import build_any, document_of
from router.selection.selector_file import SELECTOR_SHEETS
from router.tables.formats.sheets.xlsx_reader import table_tree_from_xlsx
from router.tables.formats.sheets.xlsx_writer import write_xlsx
from tests.generators.decision_tables import selectors, tables, without_version

if TYPE_CHECKING:
    from router.selection.spoke_selector import SpokeSelector
    from router.tables.table import DecisionTable


@settings(deadline=None)
@given(table=tables())
def test_a_table_reads_back_as_itself(table: DecisionTable) -> None:
    assert without_version(build_any(table_tree_from_xlsx(write_xlsx(document_of(table)), "t.xlsx"))) == table


@settings(deadline=None)
@given(selector=selectors())
def test_a_selector_reads_back_as_itself(selector: SpokeSelector) -> None:
    content = write_xlsx(document_of(selector))
    assert without_version(build_any(table_tree_from_xlsx(content, "s.xlsx", SELECTOR_SHEETS))) == selector
