"""The conductor ends with a report that says what it waited for, and leaves no process behind when it is killed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.chaos.conductor.waits import Patience, StuckError, run_patiently
from tests.fixtures.postgres import find_programs
from tests.fixtures.processes import ROOT

DEADLINE = 60.0  # seconds
STORE_AND_WORKER = """
import subprocess, sys, time
from pathlib import Path
from tests.chaos.conductor.store_server import StoreKind, a_store
from tests.chaos.conductor.workers import WITH_ITS_PARENT
with a_store(StoreKind.POSTGRES, Path(sys.argv[1])) as store:
    worker = subprocess.Popen([sys.executable, "-c", WITH_ITS_PARENT + "import time; time.sleep(600)"])
    home = store.servers[0].cluster.home
    print((home / "data/postmaster.pid").read_text().split()[0], worker.pid, home, flush=True)
    time.sleep(600)
"""


async def test_a_wait_that_does_not_end_is_described_with_the_place_where_it_waits() -> None:
    async def wait_for_what_never_comes() -> None:
        await asyncio.get_running_loop().create_future()

    async def work() -> None:
        await asyncio.create_task(wait_for_what_never_comes(), name="a hand")

    with pytest.raises(StuckError, match=r"nothing moved for 0\.1 s.*a hand: .*wait_for_what_never_comes"):
        await run_patiently(work(), Patience(limit=60, quiet=0.1), lambda: 0)


async def test_work_that_moves_and_never_ends_is_ended_by_its_limit() -> None:
    moves = iter(range(10**9))

    async def work() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(StuckError, match=r"not at its end after 0\.1 s"):
        await run_patiently(work(), Patience(limit=0.1, quiet=60), lambda: next(moves))


async def test_what_fails_while_something_is_looked_at_ends_the_work_too() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cancelled.set()

    def look() -> None:
        raise RuntimeError("a watcher ended")

    with pytest.raises(RuntimeError, match="a watcher ended"):
        await run_patiently(work(), Patience(limit=60, quiet=60), lambda: 0, look)
    assert cancelled.is_set()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
@pytest.mark.skipif(find_programs() is None, reason="PostgreSQL is not installed")
def test_a_conductor_that_is_killed_leaves_no_database_and_no_worker(tmp_path: Path) -> None:
    conductor = subprocess.Popen(
        [sys.executable, "-c", STORE_AND_WORKER, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    assert conductor.stdout is not None
    with conductor.stdout:
        *words, home = conductor.stdout.readline().split()
    pids = [int(word) for word in words]
    conductor.kill()
    conductor.wait()
    assert len(pids) == 2
    end = time.monotonic() + DEADLINE
    while (running := [pid for pid in pids if _runs(pid)]) or Path(home).exists():
        assert time.monotonic() < end, (running, home)
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
