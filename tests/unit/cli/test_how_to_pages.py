"""The how-to pages show what their commands print: the test writes the files of a page and runs its commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.table_topic import InMemoryTableTopic
from tests.harness.command_line import southbound

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOW_TO = sorted((Path(__file__).parents[3] / "docs/how-to").glob("*.md"))
# A page whose commands can be run contains their files; the others need a running service.
PAGES = [page for page in HOW_TO if any(name for _, name, _ in _BLOCK.findall(page.read_text(encoding="utf-8")))]


def commands_with_output(block: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a block with the lines that it prints."""
    for part in block.split("$ southbound ")[1:]:
        command, *printed = part.rstrip().splitlines()
        yield command, printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_shows_what_its_commands_print(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOUTHBOUND_ROUTING__TABLES", "topic")
    InMemoryTableTopic().install(monkeypatch)
    for language, name, block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if name:
            Path(name).write_text(block, encoding="utf-8")
        for command, printed in commands_with_output(block) if language == "console" else ():
            result = southbound(*shlex.split(command))
            assert printed == (result.stdout + result.stderr).splitlines(), command
