"""What a spreadsheet does not show does not decide: hidden rows, columns and sheets are refused with their address."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.selection.load import build_any
from router.selection.selector_file import SELECTOR_SHEETS
from router.tables.formats.sheets.hidden_parts import HiddenParts
from router.tables.formats.sheets.xlsx_reader import table_tree_from_xlsx
from tests.builders.sheets import a_sheet, as_xlsx, open_workbook, workbook_bytes, xlsx_mistakes

if TYPE_CHECKING:
    from collections.abc import Callable

    from openpyxl import Workbook

ROWS = (
    ["R1", '"fibre"', "-", True, "bundle", "n1"],
    ["R2", '"copper"', "-", True, "bundle", "n2"],
    ["R3", "-", "-", True, "per-run", "n3"],
)
SHOW_ROWS = "show all rows (a filter hides some, too), or delete what must not decide"


def with_hidden(hide: Callable[[Workbook], None]) -> bytes:
    workbook = open_workbook(as_xlsx(a_sheet(*ROWS)))
    hide(workbook)
    return workbook_bytes(workbook)


def hide_rows(*numbers: int) -> Callable[[Workbook], None]:
    def hide(workbook: Workbook) -> None:
        for number in numbers:
            workbook["Table"].row_dimensions[number].hidden = True

    return hide


def hide_columns(first: str, last: str) -> Callable[[Workbook], None]:
    def hide(workbook: Workbook) -> None:
        workbook["Table"].column_dimensions.group(first, last, hidden=True)

    return hide


def hide_sheet(workbook: Workbook) -> None:
    workbook.create_sheet("Shown")
    workbook["Table"].sheet_state = "hidden"
    workbook.active = 1


def test_a_sheet_of_which_all_is_shown_is_read() -> None:
    build_any(table_tree_from_xlsx(with_hidden(lambda _: None), "policy.xlsx", SELECTOR_SHEETS))


def test_a_hidden_row_is_refused_with_its_address() -> None:
    (mistake,) = xlsx_mistakes(with_hidden(hide_rows(9)))
    assert mistake == f"policy.xlsx, sheet Table, cell A9: the row is hidden, and decides all the same: {SHOW_ROWS}"


def test_rows_that_a_filter_hides_are_one_mistake() -> None:
    (mistake,) = xlsx_mistakes(with_hidden(hide_rows(8, 10)))
    assert "cell A8: the row is hidden, and decides all the same, as does 1 other hidden row: " in mistake


@pytest.mark.parametrize("line", [3, 4, 5, 6, 7])
def test_a_hidden_line_above_the_rows_is_refused(line: int) -> None:
    (mistake,) = xlsx_mistakes(with_hidden(hide_rows(line)))
    assert f"cell A{line}: the row is hidden" in mistake


def test_hidden_columns_are_refused_each_with_its_name() -> None:
    inputs, outputs = xlsx_mistakes(with_hidden(hide_columns("C", "D")))
    assert inputs == (
        "policy.xlsx, sheet Table, cell C7: column 'priority' is hidden, and decides all the same: show the column, "
        "or delete it"
    )
    assert "cell D7: column 'whole' is hidden" in outputs


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_hidden_sheet_is_refused(state: str) -> None:
    def hide(workbook: Workbook) -> None:
        hide_sheet(workbook)
        workbook["Table"].sheet_state = state

    assert xlsx_mistakes(with_hidden(hide)) == (
        "policy.xlsx: the sheet 'Table' is hidden, and its rows decide: show it",
    )


@pytest.mark.parametrize(
    "hide",
    [hide_columns("F", "XFD"), hide_rows(2), hide_rows(11, 12, 500), hide_columns("A", "A")],
    ids=["notes", "the note", "empty rows", "row ids"],
)
def test_what_does_not_decide_may_be_hidden(hide: Callable[[Workbook], None]) -> None:
    build_any(table_tree_from_xlsx(with_hidden(hide), "policy.xlsx", SELECTOR_SHEETS))


@pytest.mark.parametrize(
    ("part", "rows", "columns"),
    [
        (b'<w><cols><col min="2" max="3" hidden="1"/></cols></w>', set(), {1, 2}),
        (b'<w><cols><col min="2" max="3" width="0" customWidth="1"/></cols></w>', set(), {1, 2}),
        (b'<w><cols><col min="1" max="16384" hidden="false" width="9"/></cols></w>', set(), set()),
        (b'<w><row/><row hidden="1"/><row r="7"/><row hidden="true"/></w>', {2, 8}, set()),
        (b'<w xmlns:x="u"><x:row r="3" ht="0" customHeight="1"/><x:row r="4" ht="15"/></w>', {3}, set()),
        (b'<w><cols><col min="1" max="999999999" hidden="1"/></cols></w>', set(), set(range(16_384))),
    ],
)
def test_what_is_hidden_is_read_as_excel_and_libreoffice_write_it(
    part: bytes, rows: set[int], columns: set[int]
) -> None:
    hidden = HiddenParts.of_sheet(part)
    assert (hidden.rows, hidden.columns) == (rows, columns)


@given(st.binary(max_size=60) | st.sampled_from([b'<w><row r="x"/></w>', b'<w><col min="" hidden="1"/></w>', b"<w>"]))
def test_damaged_xml_is_an_error_that_the_reader_expects(part: bytes) -> None:
    with suppress(ValueError):
        HiddenParts.of_sheet(part)
