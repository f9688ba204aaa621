"""`southbound spokes new` writes a package that works as it is, and an installed package brings its dialect."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree

from tests.harness.command_line import southbound

ROOT = Path(__file__).parents[3]


def run_python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the package of a folder and Southbound on its path."""
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_tests_of_a_new_dialect_pass(tmp_path: Path) -> None:
    folder = tmp_path / "line-tester"
    written = southbound("spokes", "new", "line-tester", "--folder", str(folder))
    assert written.exit_code == 0, written.output
    tested = run_python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert tested.returncode == 0, tested.stdout
    texts = [path.read_text() for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert not any("consumers.spokes.jobs" in text or "JobsSpoke" in text or "$dialect" in text for text in texts)


def test_an_installed_dialect_is_found_by_its_entry_point(tmp_path: Path) -> None:
    folder = tmp_path / "line-tester"
    southbound("spokes", "new", "line-tester", "--folder", str(folder))
    settings = tmp_path / "southbound.yaml"
    settings.write_text(f"routing:\n  spokes: {tmp_path}/spokes\n")
    (tmp_path / "spokes").mkdir()
    for name in ("fibre-lab", "copper-lab"):
        shipped = (ROOT / "southbound" / "defaults" / "spokes" / f"{name}.yaml").read_text()
        (tmp_path / "spokes" / f"{name}.yaml").write_text(shipped.replace("dialect: tmf653", "dialect: line-tester"))
    check = ("-c", "from southbound.cli.entry import main; main()", "config", "check", "--config", str(settings))

    missing = run_python(folder, *check)
    assert missing.returncode == 2
    assert "'line-tester' is not known here, only jobs, tmf653: install the package that has it" in missing.stderr

    installed = copytree(folder / "line_tester", tmp_path / "installed" / "line_tester").parent
    information = installed / "southbound_line_tester-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: southbound-line-tester\nVersion: 0.1.0\n")
    (information / "entry_points.txt").write_text(
        "[southbound.dialects]\nline-tester = line_tester.spoke:LineTesterSpoke\n"
    )
    found = run_python(installed, *check)
    assert found.returncode == 0, found.stderr


def test_a_dialect_is_not_written_over_another(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    refused = southbound("spokes", "new", "line-tester", "--folder", str(tmp_path / "mine"))
    assert refused.exit_code == 2
    assert "exists already" in refused.output
    for name in ("tmf653", "Line", "9lives", "class"):
        assert southbound("spokes", "new", name, "--folder", str(tmp_path / name)).exit_code == 2
        assert not (tmp_path / name).exists()
