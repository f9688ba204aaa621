"""Generated pages are current, and help texts do not import what only commands need."""

import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate.pages import pages

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HEAVY = ("pydantic", "sqlalchemy", "confluent_kafka", "aiohttp", "structlog", "ruamel")


@pytest.mark.parametrize(("name", "text"), pages().items(), ids=pages())
def test_a_page_made_from_the_code_is_current(name: str, text: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == text, f"run `make docs` and commit docs/{name}"


def test_pages_do_not_depend_on_the_order_of_sets() -> None:
    program = "from docs.generate.pages import pages; print(pages())"
    made = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(made) == 1


def test_help_does_not_import_what_only_commands_need() -> None:
    program = "import sys, southbound.cli.app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT, text=True)
    assert sorted({name.split(".")[0] for name in loaded.stdout.split()} & set(HEAVY)) == []


def test_a_check_of_yaml_does_not_import_what_only_spreadsheets_need() -> None:
    program = "import sys, southbound.operations.tables.check; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT, text=True)
    assert "openpyxl" not in loaded.stdout.split()
