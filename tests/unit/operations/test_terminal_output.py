"""Characters that control a terminal, or change the direction of text, never reach one."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from schemas.codec.printable import printable_json, printable_lines
from southbound.operations.console import print_content, print_json, print_result, print_text
from tests.harness.command_line import southbound

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

HOSTILE = "a\x1b[31m\x07\x9b\u202eb\u2066\x7f\u200f"


def controls(text: str) -> set[str]:
    return {sign for sign in text if not sign.isprintable() and sign != "\n"}


@given(st.text())
def test_json_has_the_same_value_and_no_control_characters(text: str) -> None:
    written = printable_json(json.dumps({"a": text}, ensure_ascii=False))
    assert json.loads(written) == {"a": text}
    assert controls(written) == set()


@given(st.text())
def test_lines_have_no_control_characters_and_stay_lines(text: str) -> None:
    shown = printable_lines(text)
    assert controls(shown) == set()
    assert shown.count("\n") == text.count("\n")


def test_nothing_that_is_printed_controls_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_text(HOSTILE)
    print_json(json.dumps(HOSTILE, ensure_ascii=False))
    table = Table("id", title=HOSTILE)
    table.add_row(Text(HOSTILE))
    print_result(table)
    printed = capsys.readouterr().out
    assert controls(printed) == set()
    assert printed.count("b") >= 4


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_content_of_a_file_is_exact_except_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    print_content(HOSTILE)
    assert capsys.readouterr().out == HOSTILE
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    print_content(HOSTILE)
    assert controls(terminal.getvalue()) == set()


def test_an_error_that_quotes_an_argument_is_printable() -> None:
    result = southbound("tables", "check", f"{HOSTILE}.yaml")
    assert result.exit_code == 2
    assert controls(result.output) == set()


def test_a_table_with_such_characters_is_reported_without_them(tmp_path: Path) -> None:
    table = (
        "table: t\npolicy: first\ninputs: [{name: n, path: name, type: string}]\n"
        "outputs: [{name: out, type: string}]\nrows: [{id: R1, when: {n: x}, then: {out: y}}]\n"
        'tests: [{name: "a\\e\\u202Eb", given: {name: x}, expect: {out: y}}]\n'
    )
    file = tmp_path / "t.yaml"
    file.write_text(table)
    for more in ((), ("--json",)):
        result = southbound("tables", "test", str(file), *more)
        assert controls(result.output) == set()
