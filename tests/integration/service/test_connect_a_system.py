"""A system is connected, and has its first result, by following docs/how-to/connect-a-system.md alone."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.ports import a_quiet_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "how-to" / "connect-a-system.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(yaml|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
STAYS_OPEN = ("simulate", "run")
SYSTEM_PORT = "8704"  # on the page
WITHIN = 120.0  # seconds
ENTRY = "from southbound.cli.entry import main; main()"


class Follower:
    """Follows the page in an empty folder: it writes the files that are shown, and runs the commands in order."""

    def __init__(self, folder: Path, bootstrap: str, prefix: str) -> None:
        self.folder = folder
        first = a_quiet_port(neighbours=6)
        self.port = first + 3  # the other simulated systems use the three before it
        listener, health = first + 4, first + 5
        self.environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
            "SOUTHBOUND_KAFKA__BOOTSTRAP": bootstrap,
            "SOUTHBOUND_KAFKA__PREFIX": prefix,
            "SOUTHBOUND_KAFKA__GROUP": prefix,
            "SOUTHBOUND_LISTENER__PORT": str(listener),
            "SOUTHBOUND_HEALTH__PORT": str(health),
        }
        self.open: list[subprocess.Popen[bytes]] = []
        self.printed: list[tuple[str, str]] = []  # command and output

    def follow(self) -> None:
        for kind, text in BLOCK.findall(PAGE):
            if kind == "yaml":
                self.write(text.replace(SYSTEM_PORT, str(self.port)))
            else:
                for line in text.splitlines():
                    self.run(line.removeprefix("$ "))

    def write(self, text: str) -> None:
        file = self.folder / text.splitlines()[0].removeprefix("# ")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def run(self, line: str) -> None:
        command, _, target = line.partition(" > ")
        words = shlex.split(command)[1:]
        if words[0] == "broker":
            return  # this one is there already
        if words[0] == "simulate":
            words += ["--port", str(self.port - 3)]
        start = [sys.executable, "-c", ENTRY, *words]
        if words[0] in STAYS_OPEN:
            log = (self.folder / f"{words[0]}.log").open("wb")
            with log:
                self.open.append(
                    subprocess.Popen(start, cwd=self.folder, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
                )
            return
        # A command that needs what was started before is repeated until that is there, as a reader does.
        result = self.until_it_succeeds(start)
        if target:
            (self.folder / target).write_text(result, encoding="utf-8")
        self.printed.append((line, result))

    def until_it_succeeds(self, command: list[str]) -> str:
        deadline = time.monotonic() + WITHIN
        while True:
            done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, check=False)
            if done.returncode == 0 and self.shows_the_end(command, done.stdout.decode()):
                return done.stdout.decode()
            assert time.monotonic() < deadline, (command, done.stdout.decode(), done.stderr.decode(), self.logs())

    @staticmethod
    def shows_the_end(command: list[str], output: str) -> bool:
        return "show" not in command or "runs" not in command or "completed" in output or "cancelled" in output

    def logs(self) -> str:
        return "\n".join(file.read_text(errors="replace")[-3000:] for file in self.folder.glob("*.log"))

    def close(self) -> None:
        for process in self.open:
            process.send_signal(signal.SIGTERM)
        for process in self.open:
            process.wait(90)


@pytest.fixture
def follower(tmp_path: Path, kafka_bootstrap: str) -> Iterator[Follower]:
    one = Follower(tmp_path, kafka_bootstrap, f"howto{os.getpid()}.")
    try:
        yield one
    finally:
        one.close()


def test_the_page_leads_to_the_first_result(follower: Follower) -> None:
    follower.follow()
    printed = dict(follower.printed)
    probe = printed["southbound spokes probe spokes/open-slice.yaml"]
    assert [line.split()[:2] for line in probe.splitlines()] == [
        ["ok", "name"],
        ["ok", "connection"],
        ["ok", "credentials"],
        ["ok", "rules"],
    ]
    result = printed["southbound runs show LT-1"]
    assert re.search(r"TM-1.*12", result)
    assert re.search(r"TM-2.*940", result)
    preview = printed["southbound spokes preview open-slice run.yaml --all"]
    assert [line.split()[0] for line in preview.splitlines() if "/serviceTest" in line] == [
        "POST",
        "GET",
        "GET",
        "DELETE",
    ]
    cancelled = printed["southbound runs show LT-2"]
    assert re.search(r"^state +cancelled", cancelled, re.MULTILINE)
    assert "DELETE" in cancelled or "CANCELLED_BEFORE_SENDING" in cancelled  # whichever was first
    assert (follower.folder / "profile.schema.json").read_text().startswith("{")
