"""A command has its own exit code although the program behind its pipe has read enough; an endless one ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from consumers.store.sql_store import open_store
from southbound.cli.app import app
from southbound.cli.shell.unread_output import StreamingCommand
from southbound.exit_codes import ExitCode
from tests.builders.runs import a_run

if TYPE_CHECKING:
    from pathlib import Path

SOUTHBOUND = "from southbound.cli.entry import main; main()"
DEADLINE = 60.0  # seconds
PROGRAM = """
import itertools, sys, typer
from southbound.cli.shell.command_group import CommandGroup
from southbound.cli.shell.unread_output import StreamingCommand
from southbound.exit_codes import CommandFailedError, ExitCode
from southbound.operations.console import print_result, print_status, print_text
from southbound.operations.progress import show_progress

app = typer.Typer(cls=CommandGroup, no_args_is_help=True)

@app.command()
def verdict(code: int, lines: int = 20_000):
    for number in range(lines):
        print_text(f"line {number}")
        if number % 1000 == 0:
            print_result(f"result {number}")
            print_status("it goes on")
    if code:
        raise CommandFailedError(ExitCode(code), "they differ")

@app.command(cls=StreamingCommand)
def stream():
    for number in itertools.count():
        print_text(f"line {number}", flush=True)

app()
"""


def run_into_closed_pipe(
    *words: str, stderr_too: bool = False, program: str = PROGRAM, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command whose output nobody reads, because the other end of its pipe is closed."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [sys.executable, "-c", program, *words],
            env={**os.environ, **environment},
            stdout=writing,
            stderr=writing if stderr_too else subprocess.PIPE,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
    finally:
        os.close(writing)


@pytest.mark.parametrize("lines", ["0", "1", "20000"])
@pytest.mark.parametrize("code", [ExitCode.SUCCESS, ExitCode.INVALID_INPUT, ExitCode.UNREACHABLE])
def test_a_verdict_survives_a_closed_pipe(code: ExitCode, lines: str) -> None:
    ended = run_into_closed_pipe("verdict", str(code.value), "--lines", lines)
    assert ended.returncode == code
    assert ("they differ" in ended.stderr) == (code is not ExitCode.SUCCESS)
    assert "Traceback" not in ended.stderr


def test_a_verdict_survives_if_errors_go_into_the_closed_pipe_too() -> None:
    assert run_into_closed_pipe("verdict", "2", stderr_too=True).returncode == ExitCode.INVALID_INPUT


def test_a_comparison_says_that_stores_differ_although_nobody_reads_how(tmp_path: Path) -> None:
    one, two = (f"sqlite:///{tmp_path}/{name}.db" for name in ("one", "two"))

    async def fill() -> None:
        for url, runs in ((one, 1), (two, 400)):
            store = await open_store(url)
            await store.save(*(a_run(f"TR{number}", request_id=f"RQ{number}") for number in range(runs)))
            await store.close()

    asyncio.run(fill())
    compare = ("replay", "--compare", "--with")
    ended = run_into_closed_pipe(*compare, two, program=SOUTHBOUND, SOUTHBOUND_STORE__URL=one)
    assert (ended.returncode, "399 of 400 runs differ" in ended.stderr) == (ExitCode.INVALID_INPUT, True)
    equal = run_into_closed_pipe(*compare, one, program=SOUTHBOUND, SOUTHBOUND_STORE__URL=one)
    assert equal.returncode == ExitCode.SUCCESS


def test_a_command_that_prints_without_an_end_ends_with_its_reader() -> None:
    ended = run_into_closed_pipe("stream")
    assert (ended.returncode, ended.stderr) == (ExitCode.SUCCESS, "")


def test_commands_that_end_with_their_reader_are_those_that_print_without_an_end() -> None:
    streaming = {
        command.name or getattr(command.callback, "__name__", "")
        for group in [app, *(each.typer_instance for each in app.registered_groups)]
        for command in (group.registered_commands if group is not None else ())
        if command.cls is StreamingCommand
    }
    assert streaming == {"list", "export", "tail", "run", "demo", "broker", "simulate"}
