"""The Python that pages show passes strict type checking, as a service that copies it would check it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
]


@pytest.fixture(scope="session", name="mypy_cache")
def _mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache that all blocks share, so that what they import is analysed once."""
    return tmp_path_factory.mktemp("mypy-cache")


@pytest.mark.parametrize("block", BLOCKS)
def test_documented_python_passes_mypy_strict(block: str, tmp_path: Path, mypy_cache: Path) -> None:
    (tmp_path / "example.py").write_text(block, encoding="utf-8")
    # Errors inside the packages are silent, as they are where a wheel is installed.
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        "--config-file=",
        f"--cache-dir={mypy_cache}",
        "example.py",
    ]
    checked = subprocess.run(
        command, cwd=tmp_path, env={"MYPYPATH": str(ROOT)}, capture_output=True, text=True, timeout=300, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_there_is_an_example() -> None:
    assert BLOCKS
