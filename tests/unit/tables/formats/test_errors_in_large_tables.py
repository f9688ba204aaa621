"""A typo in one cell of a thousand rows is reported in one sentence that names the cell, in every format."""

from __future__ import annotations

import pytest

from router.selection.fact_model import RUN_FACTS
from router.selection.load import document_of, load_any
from router.tables.diagnostics import TableErrors
from router.tables.formats.loader import load_table
from router.tables.formats.sheets.csv_file import write_csv
from router.tables.formats.sheets.xlsx_writer import write_xlsx
from router.tables.formats.yaml_writer import write_yaml
from tests.builders.decision_tables import a_file, a_row
from tests.builders.sheets import csv_mistakes, open_workbook, workbook_bytes, xlsx_mistakes

THOUSAND = load_table(
    a_file([a_row(f"R{n}", f"spec: fibre-{n}, priority: '[{n}..{n + 5}]'") for n in range(1000)]), "t", RUN_FACTS
)


def test_a_typo_in_one_cell_of_a_thousand_rows_is_one_sentence_in_yaml() -> None:
    text = write_yaml(document_of(THOUSAND)).replace("[700..705]", "[700..705")
    with pytest.raises(TableErrors) as refused:
        load_any(text, "policy.yaml")
    assert refused.value.sentences == (
        "policy.yaml:713: row R700, column 'priority': interval \"[700..705\" is not closed",
    )


def test_a_typo_in_one_cell_of_a_thousand_rows_is_one_sentence_in_csv() -> None:
    text = write_csv(document_of(THOUSAND)).replace("[700..705]", "[700..705")
    assert csv_mistakes(text.encode()) == (
        "policy.csv:709, cell D709: row R700, column 'priority': interval \"[700..705\" is not closed",
    )


def test_a_typo_in_one_cell_of_a_thousand_rows_is_one_sentence_in_xlsx() -> None:
    workbook = open_workbook(write_xlsx(document_of(THOUSAND)))
    workbook["Table"]["D709"] = "[700..705"
    assert xlsx_mistakes(workbook_bytes(workbook)) == (
        "policy.xlsx, sheet Table, cell D709: row R700, column 'priority': interval \"[700..705\" is not closed",
    )
