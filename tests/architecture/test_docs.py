"""The pages that are made from the code are current, and what the documentation names exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate.pages import pages
from southbound.settings.settings import sections

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WRITTEN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "deploy/README.md", *sorted(DOCS.rglob("*.md"))]
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


@pytest.mark.parametrize("page", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_settings_that_pages_name_exist(page: Path) -> None:
    known = {f"{name}.{setting}" for name, section in sections().items() for setting in section.model_fields}
    groups = "|".join(sections())
    named = set(re.findall(rf"`((?:{groups})\.[a-z_]+)`", page.read_text(encoding="utf-8")))
    assert named - known == set()


def test_help_does_not_wait_for_what_only_commands_need() -> None:
    program = "import sys, southbound.cli.app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT, text=True)
    assert sorted({name.split(".")[0] for name in loaded.stdout.split()} & set(HEAVY)) == []


def test_a_check_of_yaml_does_not_wait_for_what_only_spreadsheets_need() -> None:
    program = "import sys, southbound.operations.tables.check; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT, text=True)
    assert "openpyxl" not in loaded.stdout.split()
