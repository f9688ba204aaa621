"""What a scenario runs on: its Kafka, its run store, its worker processes and the profile of its systems."""

from __future__ import annotations

import asyncio
import shlex
import sqlite3
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from subprocess import CalledProcessError
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from southbound.broker.server import _start_supervisor, _stop, reserve_port
from tests.fixtures.postgres import INITDB_MISSING, PostgresCluster, find_programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SPOKES = ("fibre-lab", "copper-lab")
SESSION = 3.0  # seconds until the broker gives up a member that is silent
SETTLE_TIME = 5.0  # seconds; longer than a busy machine keeps the systems from reading what was sent
# A crash of the server loses nothing that was committed: the operating system keeps what it wrote.
POSTGRES_OPTIONS = "-c fsync=off -c full_page_writes=off -c synchronous_commit=on"
ALL_ROLES = ("routing", "dispatch", "inbound", "poller", "listener")
PROFILE: dict[str, object] = {
    "result_channels": ["sync", "callback", "poll"],
    "poll_interval": 0.5,
    "poll_after": 1.5,
    "timeouts": {"connect": 1, "read": 3, "total": 6},
    "settle_time": SETTLE_TIME,
    "retry": {
        "initial_interval": 0.1,
        "backoff_coefficient": 1.5,
        "max_interval": 1.0,
        "max_attempts": 100,
        "max_elapsed": 1_800,
    },
    "circuit_breaker": {"failures": 8, "pause": 0.3, "max_pause": 2.0},
    "lost_after": 3_600,
}


class StoreKind(StrEnum):
    """The database of the run store."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What differs between scenarios; every setting of a worker or a profile can be overridden."""

    store: StoreKind = StoreKind.SQLITE
    nodes: int = 1
    workers: int = 1  # with PostgreSQL, beside one for the listener; SQLite is for one process
    partitions: int = 3
    client: Mapping[str, object] = field(default_factory=dict)
    kafka: Mapping[str, object] = field(default_factory=dict)
    worker: Mapping[str, object] = field(default_factory=dict)
    profile: Mapping[str, object] = field(default_factory=dict)

    def roles(self) -> dict[str, tuple[str, ...]]:
        """Return the roles of each worker by its name."""
        if self.store is StoreKind.SQLITE:
            return {"worker-1": ALL_ROLES}
        processing = {f"worker-{n}": ("routing", "dispatch", "inbound", "poller") for n in range(1, self.workers + 1)}
        return {"listener": ("listener",), **processing}


@dataclass(slots=True, kw_only=True)
class StoreServer:
    """The database, which can be taken away for a while."""

    url: str
    postgres: PostgresCluster | None = None
    port: int = 0
    file: Path | None = None
    _lock: sqlite3.Connection | None = None

    async def take_away(self, *, crash: bool) -> None:
        """Stop the server, or lock the file: both keep every process from it."""
        if self.postgres is not None:
            await asyncio.to_thread(self.postgres.stop, "immediate" if crash else "fast")
        elif self.file is not None:
            await asyncio.to_thread(self._lock_file, self.file)

    async def give_back(self) -> None:
        """Start the server, or unlock the file."""
        if self.postgres is not None:
            await asyncio.to_thread(_start, self.postgres, self.port)
        elif self._lock is not None:
            self._lock.rollback()
            self._lock.close()
            self._lock = None

    def _lock_file(self, file: Path) -> None:
        self._lock = sqlite3.connect(file, timeout=30, check_same_thread=False, isolation_level=None)
        self._lock.execute("BEGIN EXCLUSIVE")

    def size(self) -> int:
        """Return the bytes that the store takes on the disk."""
        places = [self.postgres.data / "base"] if self.postgres else []
        files = [one for place in places for one in place.rglob("*")]
        if self.file is not None:
            files += self.file.parent.glob(f"{self.file.name}*")
        total = 0
        for one in files:
            with suppress(OSError):
                total += one.stat().st_size if one.is_file() else 0
        return total


@contextmanager
def a_store(kind: StoreKind, folder: Path) -> Iterator[StoreServer]:
    """Run a database of its own while the block runs.

    Raises:
        RuntimeError: PostgreSQL is not installed.
    """
    if kind is StoreKind.SQLITE:
        file = folder / "runs.db"
        yield StoreServer(url=f"sqlite:///{file}", file=file)
        return
    if (programs := find_programs()) is None:
        raise RuntimeError(INITDB_MISSING)
    with (
        # Not below `folder`: the server's user may not enter that.
        TemporaryDirectory(prefix="southbound-postgres-", ignore_cleanup_errors=True) as home,
        reserve_port() as reserved,
    ):
        cluster = PostgresCluster(programs=programs, home=Path(home))
        cluster.create()
        with _ended_with_this_process(cluster):
            _start(cluster, reserved.port)
            try:
                url = f"postgresql+asyncpg://southbound@127.0.0.1:{reserved.port}/postgres"
                yield StoreServer(url=url, postgres=cluster, port=reserved.port)
            finally:
                with suppress(CalledProcessError):  # it may already be stopped
                    cluster.stop("immediate")


@contextmanager
def _ended_with_this_process(cluster: PostgresCluster) -> Iterator[None]:
    """End the server even if this process is killed: `pg_ctl` lets it run on by itself."""
    pid = shlex.quote(str(cluster.data / "postmaster.pid"))
    end = ["sh", "-c", f'kill -QUIT "$(head -n 1 {pid})"']  # as `pg_ctl stop -m immediate` does
    supervisor = _start_supervisor(["sleep", "infinity"], cluster.home / "supervisor.log", end, None)
    try:
        yield
    finally:
        _stop(supervisor)


def _start(cluster: PostgresCluster, port: int) -> None:
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={cluster.home} {POSTGRES_OPTIONS}"
    cluster._control("start", "-w", "-o", options, "-l", str(cluster.home / "server.log"))
