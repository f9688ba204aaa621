"""The page for operators lists every code that the code can report, with its meaning and what to do."""

import re
from pathlib import Path

from tests.architecture.reported_codes import reported_codes

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## Codes\n")[2].partition("\n## ")[0]


def rows() -> list[list[str]]:
    lines = [line for line in SECTION.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_code_is_explained_to_operators() -> None:
    listed = {code for row in rows() for code in re.findall(r"`([A-Z_]+)`", row[0])}
    assert {"UNKNOWN_STATE", "UNSTORABLE", "LOST", "CONFLICT", "UNDECODABLE", "UNEXPECTED"} <= reported_codes()
    assert sorted(reported_codes() - listed) == []
    assert sorted(listed - reported_codes()) == []


def test_every_code_has_one_row_with_a_meaning_and_an_action() -> None:
    listed = [code for row in rows() for code in re.findall(r"`([A-Z_]+)`", row[0])]
    assert sorted({code for code in listed if listed.count(code) > 1}) == []
    assert [row for row in rows() if len(row) != 3 or not all(row)] == []
