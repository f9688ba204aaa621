"""Worker processes that are started, killed, frozen and stopped: each is a `southbound run` of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
from ruamel.yaml import YAML

from southbound.exit_codes import ExitCode
from tests.chaos.conductor.oracle import Breach
from tests.fixtures.processes import ROOT, ChildProcess

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.chaos.conductor.oracle import Oracle

# On Linux, the kernel ends the process with the conductor, also if that is killed (PR_SET_PDEATHSIG, SIGKILL). If that
# was killed before, the process has another parent already.
WITH_ITS_PARENT = (
    "import ctypes, os, sys; sys.platform == 'linux' and ctypes.CDLL(None).prctl(1, 9); "
    f"os.getppid() == {os.getpid()} or sys.exit(); "
)
PROGRAM = f"{WITH_ITS_PARENT}from southbound.cli.entry import main; main()"
UP_TIMEOUT = 180.0  # seconds until a process that does not start is a violation
EXIT_TIMEOUT = 90.0
POLL = 0.05  # seconds between two looks at a process
KEPT_LOGS = 30  # of each worker; the logs of a million events are not kept
ERROR_LINE = re.compile(r'"level": ?"(?:error|critical)"')


@dataclass(slots=True, kw_only=True)
class ConductedWorker:
    """One place for a process, which is started again whenever it ends, as an orchestrator does."""

    name: str
    roles: tuple[str, ...]
    folder: Path
    settings: Mapping[str, object]
    health_port: int
    oracle: Oracle
    counts: Counter[str]
    process: ChildProcess | None = None
    frozen: bool = False
    wanted: bool = False  # whether it is to run; an end while it is wanted is noticed
    starts: int = 0
    _started: int = 0  # the newest process that is known to have started; its log is not read again
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)  # held by whoever disturbs it

    def launch(self) -> None:
        """Start a process."""
        self.starts += 1
        self.wanted = True
        file = self.folder / f"{self.name}.yaml"
        with file.open("w") as stream:
            YAML(typ="safe").dump({**self.settings, "health": {"port": self.health_port}}, stream)
        log = self.folder / f"{self.name}-{self.starts}.log"
        (self.folder / f"{self.name}-{self.starts - KEPT_LOGS}.log").unlink(missing_ok=True)
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "run", "--config", str(file), *self.roles],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        self.process = ChildProcess(popen=popen, log=log)
        self.counts["starts"] += 1

    @property
    def is_up(self) -> bool:
        """Whether the process runs and has finished its start."""
        process = self.process
        if process is None or process.popen.poll() is not None:
            return False
        if self._started != self.starts and '"started"' in process.log_text():
            self._started = self.starts
        return self._started == self.starts

    async def wait_until_up(self) -> None:
        """Return when the process has started."""
        deadline = time.monotonic() + UP_TIMEOUT
        while not self.is_up:
            if time.monotonic() > deadline:
                self.oracle.breach(Breach.EXIT_CODE, f"{self.name} did not start: {self.log_tail()}")
                return
            self.check()
            await asyncio.sleep(POLL)

    def check(self) -> None:
        """Start the process again if it ended; only a Kafka or store that is away is a reason to end."""
        if self.process is None or not self.wanted or (code := self.process.popen.poll()) is None:
            return
        self.counts["ended"] += 1
        if code != ExitCode.UNREACHABLE:
            self.oracle.breach(Breach.EXIT_CODE, f"{self.name} ended with {code}: {self.log_tail()}")
        self.launch()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        if self.process is not None and self.process.popen.poll() is None:
            self.process.send(number)

    async def kill(self) -> None:
        """Kill the process, and wait for its end."""
        self.wanted = False
        self.signal(signal.SIGKILL)
        await self.wait_for_exit()
        self.counts["kills"] += 1

    async def stop(self, *, allowed: tuple[int, ...] = (ExitCode.SUCCESS,)) -> int | None:
        """Stop the process with SIGTERM; another exit code than the allowed ones is a violation."""
        self.wanted = False
        running = self.process is not None and self.process.popen.poll() is None
        self.signal(signal.SIGTERM)
        code = await self.wait_for_exit()
        if running and code not in allowed:
            self.oracle.breach(Breach.EXIT_CODE, f"{self.name}: SIGTERM led to {code}: {self.log_tail()}")
        self.counts["stops"] += 1
        return code

    async def wait_for_exit(self) -> int | None:
        """Wait for the end of the process, and kill it when it takes too long."""
        if self.process is None:
            return None
        try:
            return await self.process.wait_for_exit(EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return None

    def log_tail(self) -> str:
        """Return the end of the log."""
        return "" if self.process is None else self.process.log_text()[-2_000:]

    def errors(self) -> int:
        """Return how many lines of the newest log are errors."""
        return 0 if self.process is None else len(ERROR_LINE.findall(self.process.log_text()))

    async def get(self, path: str) -> str:
        """Return what the health server answers; empty while it does not."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
                session.get(f"http://127.0.0.1:{self.health_port}{path}") as answer,
            ):
                return await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return ""


async def keep_running(workers: Callable[[], list[ConductedWorker]]) -> None:
    """Start again whatever ended by itself, until this task is cancelled."""
    while True:
        for worker in workers():
            if not worker.busy.locked():
                worker.check()
        await asyncio.sleep(0.5)
