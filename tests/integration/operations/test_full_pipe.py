"""A command whose reader has read enough ends quietly, as with `| head`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = "from southbound.cli.app import main; main()"


@pytest.mark.parametrize(
    "arguments",
    [
        ("config", "show"),
        ("config", "show", "--json"),
        ("config", "check"),
        ("tables", "check", "southbound/defaults/tables/outbound-policy.yaml"),
        ("tables", "export", "southbound/defaults/tables/outbound-policy.yaml", "--to", "csv"),
        ("--help",),
        ("nonsense",),
    ],
    ids=" ".join,
)
def test_a_command_ends_quietly_when_nobody_reads_its_output(arguments: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=ROOT,
            stdout=write,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=60,
            check=False,
        )
    finally:
        os.close(write)
    if arguments == ("nonsense",):
        assert ended.returncode == 2
        assert b"No such command" in ended.stderr
    else:
        assert (ended.returncode, ended.stderr) == (0, b"")
