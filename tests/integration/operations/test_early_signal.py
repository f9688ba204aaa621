"""SIGTERM ends a process with 0 from the first moment of its start, as process 1 of a container too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from southbound.broker.server import reserve_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
COMMAND = (sys.executable, "-c", "from southbound.cli.entry import main; main()", "run", "--config", "s.yaml")
AS_PROCESS_1 = ("unshare", "--pid", "--fork", "--kill-child")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with the settings of a service whose Kafka does not answer."""
    with reserve_port() as unused:
        (tmp_path / "s.yaml").write_text(f"kafka: {{bootstrap: '{unused.address}'}}\nhealth: {{port: 0}}\n")
        yield tmp_path


def start(folder: Path, *before: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*before, *COMMAND],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def handles_sigterm(pid: int) -> bool:
    caught = Path(f"/proc/{pid}/status").read_text().partition("SigCgt:")[2].split()[0]
    return bool(int(caught, 16) & 1 << signal.SIGTERM - 1)


def wait_until_it_handles_sigterm(pid: int) -> None:
    deadline = time.monotonic() + 90
    while not handles_sigterm(pid):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def caught_before_its_imports(folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that handles SIGTERM before it has imported the Kafka client.

    It is tried several times: on a busy machine, the process may be further before this one looks at it.
    """
    for _ in range(20):
        process = start(folder)
        wait_until_it_handles_sigterm(process.pid)
        if "librdkafka" not in Path(f"/proc/{process.pid}/maps").read_text():
            return process
        process.kill()
        process.communicate()
    raise AssertionError("it never handles SIGTERM before it has imported the Kafka client")


@pytest.mark.parametrize("after", [0.0, 0.2, 0.5, 1.0, 2.0, 4.0])
def test_sigterm_during_the_start_ends_with_0(folder: Path, after: float) -> None:
    process = start(folder) if after else caught_before_its_imports(folder)
    wait_until_it_handles_sigterm(process.pid)
    time.sleep(after)  # the moment of the start that is tested
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    assert b"Traceback" not in errors


def test_sigterm_during_the_start_ends_process_1_of_a_container(folder: Path) -> None:
    if subprocess.run([*AS_PROCESS_1, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make a namespace of processes")
    outer = start(folder, *AS_PROCESS_1)
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    deadline = time.monotonic() + 90
    while not children.read_text().split():
        assert time.monotonic() < deadline
    inner = int(children.read_text().split()[0])
    wait_until_it_handles_sigterm(inner)
    os.kill(inner, signal.SIGTERM)
    _, errors = outer.communicate(timeout=60)
    assert outer.returncode == 0, errors.decode()


def test_a_command_that_does_not_run_until_it_is_stopped_has_not_succeeded_when_it_is_ended(folder: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND[:3], "topics", "plan", "--config", "s.yaml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == -signal.SIGTERM


def test_a_command_gives_up_after_ten_seconds_without_a_broker(folder: Path) -> None:
    began = time.monotonic()
    command = [*COMMAND[:3], "topics", "plan", "--config", "s.yaml"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, check=False, timeout=60)
    assert done.returncode == 3
    assert b"Kafka does not answer" in done.stderr
    assert time.monotonic() - began < 50  # a service waits for a minute; the start of the process is included
