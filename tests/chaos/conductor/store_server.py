"""The database of a scenario, and what can happen to it: it is away, its disk is full, a standby takes its place."""

from __future__ import annotations

import asyncio
import shlex
import sqlite3
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from subprocess import CalledProcessError
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from southbound.broker.server import _start_supervisor, _stop, reserve_port
from tests.chaos.conductor.small_disk import a_small_disk
from tests.fixtures.postgres import INITDB_MISSING, PostgresCluster, find_programs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.conductor.small_disk import SmallDisk

# A crash of the server loses nothing that was committed: the operating system keeps what it wrote.
POSTGRES_OPTIONS = "-c fsync=off -c full_page_writes=off -c synchronous_commit=on"
STANDBY_TIMEOUT = 60.0  # seconds
# What a store that is written to cannot keep as it is: the runs, and the mark that grows while it is used.
CONTENT = """
SELECT concat(
  (SELECT md5(string_agg(r::text, '|' ORDER BY run_id)) FROM runs r), ' ', (SELECT mark FROM store_identity)
)
"""


class StoreKind(StrEnum):
    """The database of the run store."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"
    POSTGRES_PAIR = "postgres-pair"  # a primary and a synchronous standby


@dataclass(slots=True, kw_only=True)
class PostgresServer:
    """One server of a scenario."""

    cluster: PostgresCluster
    port: int

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        home = self.cluster.home
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} {POSTGRES_OPTIONS}"
        self.cluster._control("start", "-w", "-o", options, "-l", str(home / "server.log"))

    def stop(self, *, crash: bool) -> None:
        """Stop it in order, or as a crash does."""
        self.cluster.stop("immediate" if crash else "fast")

    def runs(self) -> bool:
        """Return whether it runs."""
        try:
            self.cluster._control("status")
        except CalledProcessError:
            return False
        return True

    def promote(self) -> None:
        """Make a standby the primary."""
        self.cluster._control("promote", "-w")

    def execute(self, statement: str) -> str:
        """Execute a statement and return its only value as text."""
        program = [str(self.cluster.programs / "psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "southbound"]
        command = [*program, "-d", "postgres", "-AtX", "-v", "ON_ERROR_STOP=1", "-c", statement]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        return str(done.stdout).strip()


@dataclass(slots=True, kw_only=True)
class StoreServer:
    """The database, which can be taken away for a while."""

    url: str
    servers: list[PostgresServer] = field(default_factory=list)  # the primary is the first one
    file: Path | None = None
    disk: SmallDisk | None = None  # if it has one of its own
    old: PostgresServer | None = None  # the primary before the standby was promoted
    _lock: sqlite3.Connection | None = None

    async def take_away(self, *, crash: bool) -> None:
        """Stop the server, or lock the file: both keep every process from it."""
        if self.servers:
            await asyncio.to_thread(self.servers[0].stop, crash=crash)
        elif self.file is not None:
            await asyncio.to_thread(self._lock_file, self.file)

    async def give_back(self) -> None:
        """Start the server, or unlock the file."""
        if self.servers:
            await asyncio.to_thread(self.servers[0].start)
        elif self._lock is not None:
            self._lock.rollback()
            self._lock.close()
            self._lock = None

    async def fail_over(self, seconds: float) -> None:
        """Crash the primary, and promote the standby after a while; the old primary stays away."""
        self.old, new = self.servers
        await asyncio.to_thread(self.old.stop, crash=True)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(new.promote)
        self.servers = [new]

    async def start_old_primary(self) -> str:
        """Start the old primary as if nobody had told it of the promotion, and return what it has.

        It no longer waits for a standby, so nothing but its clients keeps it from taking writes. All connections to
        the present primary end, so that every process has to choose again.
        """
        if self.old is None:
            raise RuntimeError("the standby was not promoted")
        content = await asyncio.to_thread(_prepare_old_primary, self.old)
        await asyncio.to_thread(self.old.start)
        others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        await asyncio.to_thread(self.servers[0].execute, others)
        return content

    async def content_of_old_primary(self) -> str:
        """Return what the old primary has, which changes with every write."""
        return "" if self.old is None else await asyncio.to_thread(self.old.execute, CONTENT)

    async def fill_disk(self) -> None:
        """Fill the small disk to its last byte."""
        await asyncio.to_thread(self._disk.fill)

    async def free_disk(self) -> None:
        """Free what `fill_disk` took, and start a server that ended because of it."""
        self._disk.free()
        if self.servers and not await asyncio.to_thread(self.servers[0].runs):
            await asyncio.to_thread(self.servers[0].start)

    @property
    def _disk(self) -> SmallDisk:
        if self.disk is None:
            raise RuntimeError("this store has no disk of its own")
        return self.disk

    def _lock_file(self, file: Path) -> None:
        self._lock = sqlite3.connect(file, timeout=30, check_same_thread=False, isolation_level=None)
        self._lock.execute("BEGIN EXCLUSIVE")

    def size(self) -> int:
        """Return the bytes that the store takes on the disk."""
        files = [one for server in self.servers for one in (server.cluster.data / "base").rglob("*")]
        if self.file is not None:
            files += self.file.parent.glob(f"{self.file.name}*")
        total = 0
        for one in files:
            with suppress(OSError):
                total += one.stat().st_size if one.is_file() else 0
        return total


@contextmanager
def a_store(kind: StoreKind, folder: Path, *, small_disk: bool = False) -> Iterator[StoreServer]:
    """Run a database of its own while the block runs.

    Raises:
        RuntimeError: PostgreSQL is not installed.
    """
    with ExitStack() as stack:
        disk = stack.enter_context(a_small_disk()) if small_disk else None
        if kind is StoreKind.SQLITE:
            file = (disk.path if disk else folder) / "runs.db"
            yield StoreServer(url=f"sqlite:///{file}", file=file, disk=disk)
            return
        primary = stack.enter_context(_a_server(disk.path if disk else None))
        primary.cluster.create()
        primary.start()
        servers = [primary]
        if kind is StoreKind.POSTGRES_PAIR:
            servers.append(stack.enter_context(_a_server(None)))
            _follow(*servers)
        yield StoreServer(url=_url(servers), servers=servers, disk=disk)


def _prepare_old_primary(old: PostgresServer) -> str:
    """Let it no longer wait for a standby, at a port that nobody else knows, and return what it has."""
    with reserve_port() as reserved:
        apart = replace(old, port=reserved.port)
    apart.start()
    apart.execute("ALTER SYSTEM RESET synchronous_standby_names")
    content = apart.execute(CONTENT)
    apart.stop(crash=False)
    return content


def _url(servers: list[PostgresServer]) -> str:
    if len(servers) == 1:
        return f"postgresql://southbound@127.0.0.1:{servers[0].port}/postgres"
    hosts = "&".join(f"host=127.0.0.1:{server.port}" for server in servers)
    return f"postgresql://southbound@/postgres?{hosts}&target_session_attrs=read-write"


@contextmanager
def _a_server(disk: Path | None) -> Iterator[PostgresServer]:
    if (programs := find_programs()) is None:
        raise RuntimeError(INITDB_MISSING)
    with (
        # Not in the scenario's folder: the server's user may not enter that.
        TemporaryDirectory(prefix="southbound-postgres-", dir=disk, ignore_cleanup_errors=True) as home,
        reserve_port() as reserved,
    ):
        cluster = PostgresCluster(programs=programs, home=Path(home))
        with _ended_with_this_process(cluster):
            try:
                yield PostgresServer(cluster=cluster, port=reserved.port)
            finally:
                with suppress(CalledProcessError):  # it may already be stopped
                    cluster.stop("immediate")


def _follow(primary: PostgresServer, standby: PostgresServer) -> None:
    """Make a server the synchronous standby of another one: what is committed is on both."""
    standby.cluster.adopt()
    source = ["-h", "127.0.0.1", "-p", str(primary.port), "-U", "southbound"]
    target = ["-D", str(standby.cluster.data), "-R", "-X", "stream", "-c", "fast", "--no-sync"]
    standby.cluster._run("pg_basebackup", *source, *target)
    standby.start()
    primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.execute("SELECT pg_reload_conf()")
    state = "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')"
    primary.execute(
        f"DO $$ BEGIN FOR n IN 1..{int(STANDBY_TIMEOUT * 10)} LOOP"
        f" EXIT WHEN ({state}) = 1; PERFORM pg_sleep(0.1); PERFORM pg_stat_clear_snapshot(); END LOOP; END $$"
    )
    if primary.execute(state) != "1":
        raise RuntimeError("the standby does not follow its primary")


@contextmanager
def _ended_with_this_process(cluster: PostgresCluster) -> Iterator[None]:
    """End the server even if this process is killed: `pg_ctl` lets it run on by itself. Its folder is removed, too."""
    file = shlex.quote(str(cluster.data / "postmaster.pid"))
    # SIGQUIT is what `pg_ctl stop -m immediate` sends; the server removes its file last.
    end = f'kill -QUIT "$(head -n 1 {file})" && for _ in $(seq 100); do test -e {file} || break; sleep 0.1; done'
    supervisor = _start_supervisor(["sleep", "infinity"], Path("/dev/null"), ["sh", "-c", end], cluster.home)
    try:
        yield
    finally:
        _stop(supervisor)
