"""A spreadsheet from an untrusted source is limited in size; a refused one is returned with its problems marked."""

from __future__ import annotations

from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from router.selection.fact_model import RUN_FACTS
from router.selection.load import build_any, document_of
from router.tables.diagnostics import TableErrors
from router.tables.formats.sheets import xlsx_package as xlsx_files
from router.tables.formats.sheets.grid import REASONS_HEADING, SheetPlaces
from router.tables.formats.sheets.xlsx_markup import add_reasons
from router.tables.formats.sheets.xlsx_package import escape_for_xlsx, unescape_from_xlsx
from router.tables.formats.sheets.xlsx_reader import table_tree_from_xlsx
from router.tables.formats.sheets.xlsx_writer import write_xlsx
from tests.builders.decision_tables import a_file, a_row, a_table
from tests.builders.sheets import a_sheet, as_xlsx, open_workbook, workbook_bytes, xlsx_mistakes

GOOD = ["R1", "a", "-", "true", "bundle", ""]
WRONG = as_xlsx(a_sheet(["R1", "a", "[1..5", "true", "bundel", ""], ["R2", "a", "-", "true", "bundle", ""]))


def annotated_copy(content: bytes) -> bytes:
    """Return the copy of a spreadsheet with the reasons."""
    with pytest.raises(TableErrors) as refused:
        build_any(table_tree_from_xlsx(content, "t.xlsx"))
    diagnostics = refused.value.diagnostics
    assert diagnostics is not None
    assert isinstance(diagnostics.places, SheetPlaces)
    return add_reasons(content, "t.xlsx", diagnostics, diagnostics.places)


def with_zip_part(content: bytes, name: str, part: bytes) -> bytes:
    """Return a spreadsheet with a part replaced or added."""
    changed = BytesIO()
    with ZipFile(BytesIO(content)) as old, ZipFile(changed, "w", ZIP_DEFLATED) as new:
        for entry in old.infolist():
            if entry.filename != name:
                new.writestr(entry.filename, old.read(entry))
        new.writestr(name, part)
    return changed.getvalue()


def test_the_copy_shows_the_reason_at_the_cell_and_beside_the_row() -> None:
    sheet = open_workbook(annotated_copy(WRONG))["Table"]
    assert 'interval "[1..5" is not closed' in sheet["C8"].comment.text
    assert "bundel is not one of the allowed values" in sheet["E8"].comment.text
    assert sheet["C8"].fill.fgColor.rgb == sheet["E8"].fill.fgColor.rgb == "FFFFC7CE"
    assert sheet["C9"].comment is None
    assert sheet["G7"].value == REASONS_HEADING
    assert sheet["G8"].value.splitlines() == [
        "C8: row R1, column 'priority': interval \"[1..5\" is not closed",
        "E8: row R1, output 'payload': bundel is not one of the allowed values per-run, bundle; did you mean bundle?",
    ]


def test_the_copy_can_be_corrected_and_imported_as_it_is() -> None:
    workbook = open_workbook(annotated_copy(WRONG))
    workbook["Table"]["C8"], workbook["Table"]["E8"] = "[1..5]", "bundle"
    build_any(table_tree_from_xlsx(workbook_bytes(workbook), "t.errors.xlsx"))


def test_a_copy_that_is_refused_again_has_only_the_new_reasons() -> None:
    workbook = open_workbook(annotated_copy(WRONG))
    workbook["Table"]["C8"] = "[1..5]"
    sheet = open_workbook(annotated_copy(workbook_bytes(workbook)))["Table"]
    assert sheet["C8"].comment is None
    assert sheet["C8"].fill.fill_type is None
    assert [cell.value for cell in sheet[7]].count(REASONS_HEADING) == 1
    assert sheet["G8"].value.startswith("E8: row R1, output 'payload': bundel")


def test_a_test_that_fails_has_its_reason_on_the_sheet_of_tests() -> None:
    more = "tests:\n  - {name: it, given: {priority: 1}, expect: {row: R1}}\n"
    workbook = open_workbook(write_xlsx(document_of(a_table([a_row("R1", "priority: 1")], more=more))))
    workbook["Table"]["D9"] = "2"
    sheet = open_workbook(annotated_copy(workbook_bytes(workbook)))["Tests"]
    assert "expected row R1, got no row" in sheet["A2"].comment.text
    assert sheet["E1"].value == REASONS_HEADING


@given(text=st.text())
def test_any_text_survives_the_escapes_of_a_spreadsheet(text: str) -> None:
    assert unescape_from_xlsx(escape_for_xlsx(text)) == text


@pytest.mark.parametrize("word", ["_x0041_", "a\r\nb", "\x07", "\0", "￾", "#N/A", "=1+1", " a "])
def test_signs_that_xml_does_not_keep_come_back(word: str) -> None:
    lines = a_sheet(["R1", "a", "-", "true", "bundle", escape_for_xlsx(f"x{word}x")])
    table = build_any(table_tree_from_xlsx(as_xlsx(lines), "t.xlsx"))
    assert getattr(table, "rows")[0].note == f"x{word}x"  # noqa: B009 - a decision table, as the lines say


def test_a_cell_that_excel_cannot_hold_is_named() -> None:
    text = a_file([a_row("R1", "priority: 1").replace("}, then", f"}}, note: {'x' * 40_000}, then")])
    from router.tables.formats.loader import load_table  # noqa: PLC0415 - only here

    with pytest.raises(TableErrors, match=r"^sheet Table, cell I9: needs 40000 characters, Excel allows 32767: export"):
        write_xlsx(document_of(load_table(text, "t.yaml", RUN_FACTS)))


def test_what_is_no_spreadsheet_is_refused_in_one_sentence() -> None:
    for content in (b"", b"table,t\n", b"PK\3\4", as_xlsx(a_sheet(GOOD))[:-30]):
        (sentence,) = xlsx_mistakes(content, "t.xlsx")
        assert sentence.startswith("t.xlsx: is not an XLSX file, or is protected by a password")


def test_a_spreadsheet_without_our_sheet_is_refused() -> None:
    (sentence,) = xlsx_mistakes(workbook_bytes(Workbook()), "t.xlsx")
    assert sentence.startswith("t.xlsx: there is no sheet 'Table' (the sheets are Sheet)")


def test_a_spreadsheet_that_unpacks_to_much_is_refused_before_it_is_unpacked() -> None:
    bomb = with_zip_part(as_xlsx(a_sheet(GOOD)), "xl/media/x.xml", b"\0" * (xlsx_files.MAX_UNPACKED_BYTES + 1))
    assert len(bomb) < xlsx_files.MAX_BYTES
    (sentence,) = xlsx_mistakes(bomb, "t.xlsx")
    assert sentence.startswith("t.xlsx: unpacks to more than 40 MB")


def test_a_file_that_is_too_large_is_refused_unread() -> None:
    (sentence,) = xlsx_mistakes(b"\0" * (xlsx_files.MAX_BYTES + 1), "t.xlsx")
    assert sentence.startswith("t.xlsx: has more than 10 MB")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_spreadsheet_with_entities_is_refused(encoding: str) -> None:
    xml = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><workbook>&a;</workbook>'
    (sentence,) = xlsx_mistakes(
        with_zip_part(as_xlsx(a_sheet(GOOD)), "xl/workbook.xml", xml.encode(encoding)), "t.xlsx"
    )
    assert sentence.startswith("t.xlsx: declares XML types")


@pytest.mark.parametrize("address", ["A100001", "SG8"])
def test_what_stands_far_away_is_not_passed_over(address: str) -> None:
    (sentence,) = xlsx_mistakes(as_xlsx(a_sheet(GOOD), {address: "x"}), "t.xlsx")
    assert sentence == "t.xlsx, sheet Table: a cell beyond row 100000 or column SF is not empty: delete it"


@settings(deadline=None, max_examples=60)
@given(at=st.integers(0, len(WRONG) - 1), scrap=st.binary(min_size=1, max_size=8))
def test_a_damaged_spreadsheet_is_refused_in_sentences(at: int, scrap: bytes) -> None:
    damaged = WRONG[:at] + scrap + WRONG[at + len(scrap) :]
    assert all(sentence.startswith("t.xlsx") for sentence in xlsx_mistakes(damaged, "t.xlsx"))
