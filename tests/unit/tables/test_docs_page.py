"""What docs/tables.md writes about cells, policies and the file is correct."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.selection.fact_model import RUN_FACTS
from router.selection.selector_file import load_selector
from router.tables.feel.unary_test import parse
from router.tables.formats.dmn.rules import read_output_entry
from router.tables.formats.loader import load_table
from router.tables.hit_policy import HitPolicy, find_hit_policy
from router.tables.model import Input, Output, Row
from router.tables.table import DecisionTable

PAGE = (Path(__file__).parents[3] / "docs/tables.md").read_text(encoding="utf-8")


def section(title: str) -> list[list[str]]:
    """Return the cells of the first table under a heading, without its header."""
    text = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def in_backticks(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


CELLS = [row for row in section("Cells") if "input" not in row[1]]


@pytest.mark.parametrize(("cell", "fitting", "missing"), CELLS, ids=[row[0] for row in CELLS])
def test_a_cell_of_the_page_fits_what_the_page_says(cell: str, fitting: str, missing: str) -> None:
    (text,) = in_backticks(cell)
    parsed = parse(text, "any")
    assert all(parsed.matches(read_output_entry(value, "any")) for value in in_backticks(fitting))
    assert not any(parsed.matches(read_output_entry(value, "any")) for value in in_backticks(missing))


def test_the_page_has_most_forms_of_a_cell() -> None:
    assert len(CELLS) > 12
    assert sum(len(in_backticks(row[1] + row[2])) for row in CELLS) > 40


@pytest.mark.parametrize("row", section("Types"), ids=lambda row: str(row[0]))
def test_a_literal_of_the_page_is_of_the_type(row: list[str]) -> None:
    (kind,) = in_backticks(row[0])[:1]
    for literal in in_backticks(row[1]):
        assert parse(literal, kind).conditions


def test_the_file_of_the_page_loads_and_passes_its_tests() -> None:
    text = PAGE.partition("<!-- table -->\n```yaml\n")[2].partition("```")[0]
    table = load_table(text, "docs/tables.md", RUN_FACTS)
    assert len(table.tests) == 2


def test_the_selector_of_the_page_loads() -> None:
    text = PAGE.partition("<!-- selector -->\n```yaml\n")[2].partition("```")[0]
    selector = load_selector(text, "docs/tables.md")
    assert (list(selector.orders), [row.id for row in selector.inactive]) == (["S10", "S20", "S30"], ["S30"])


RESULTS = {
    "first": "normal",
    "unique": None,
    "any": None,
    "priority": "fast",
    "output-order": ["fast", "normal", "normal"],
    "rule-order": ["normal", "fast", "normal"],
    "collect": ["normal", "fast", "normal"],
    "collect#": 3,
}


def test_the_page_tells_every_policy_and_its_letter() -> None:
    documented = [(in_backticks(row[0]), row[1].split(", ")) for row in section("Hit policies")]
    pairs = [pair for policies, letters in documented for pair in zip(policies, letters, strict=True)]
    assert [policy for policy, _ in pairs] == list(HitPolicy)
    assert all(find_hit_policy(letter) == find_hit_policy(policy) == policy for policy, letter in pairs)


@pytest.mark.parametrize(("policy", "result"), RESULTS.items())
def test_a_policy_of_the_page_makes_what_the_page_says(policy: str, result: object) -> None:
    column = Output(name="queue", type="string", allowed=("fast", "normal", "slow"))
    rows = [
        Row(id=f"R{n}", cells=(parse("-", "any"),), outputs={"queue": q})
        for n, q in enumerate(["normal", "fast", "normal"])
    ]
    table = DecisionTable(
        id="t",
        version="1",
        inputs=(Input(name="x", type="any"),),
        outputs=(column,),
        policy=HitPolicy(policy),
        rows=tuple(rows),
    )
    assert table.evaluate({}) == result
    (line,) = [row for row in section("Hit policies") if in_backticks(row[0])[0] == policy]
    documented = {"None": "nothing is decided"}.get(str(result), str(result).replace("'", ""))
    assert documented in line[2]
