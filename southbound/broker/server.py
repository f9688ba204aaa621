"""Start a Kafka node under its supervisor, wait until it is ready, stop it; run commands and reserve ports."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from southbound.broker.broker import BrokerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

READY_POLL_INTERVAL = 0.02  # seconds between two checks


def wait_until_ready(bootstrap: str, *, seconds: float, still_alive: Callable[[], bool]) -> None:
    """Return as soon as the broker lists its topics.

    Raises:
        BrokerUnavailableError: its process ended, or it is not ready after `seconds`.
    """
    end = time.monotonic() + seconds
    # A plain TCP connection first: it is cheap, while the Kafka client backs off after each refusal.
    _wait_for(lambda: _listens(bootstrap), bootstrap, end, still_alive)
    client_options = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "log_level": 0}
    admin = AdminClient({"bootstrap.servers": bootstrap, **client_options})
    _wait_for(lambda: _lists_topics(admin), bootstrap, end, still_alive)


def _wait_for(condition: Callable[[], bool], bootstrap: str, end: float, still_alive: Callable[[], bool]) -> None:
    while not condition():
        if not still_alive():
            raise BrokerUnavailableError(f"The Kafka broker for {bootstrap} ended before it was ready.")
        if time.monotonic() > end:
            raise BrokerUnavailableError(f"The Kafka broker at {bootstrap} was not ready in time.")
        time.sleep(READY_POLL_INTERVAL)


def _listens(bootstrap: str) -> bool:
    host, _, port = bootstrap.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def _lists_topics(admin: AdminClient) -> bool:
    try:
        return bool(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return False


START_TIMEOUT = 60.0  # seconds for the start of a node

LOG_TAIL = 1500  # characters of the log in an error message


@contextmanager
def run_server(
    command: Sequence[str | Path],
    *,
    bootstrap: str,
    log: Path,
    cleanup_command: Sequence[str] = (),
    remove_folder: Path | None = None,
) -> Iterator[None]:
    """Run a Kafka node while the block runs; it is stopped even if this process ends by kill -9.

    Args:
        command: the command that starts the node in the foreground.
        bootstrap: the address that it will listen on.
        log: the file for its output.
        cleanup_command: a command that cleans up after the node has ended.
        remove_folder: a folder to remove after that.

    Raises:
        BrokerUnavailableError: the node does not get ready; the message contains the end of its log.
    """
    supervisor = _start_supervisor(command, log, cleanup_command, remove_folder)
    try:
        _wait_until_serving(supervisor, bootstrap, log)
        yield
    finally:
        _stop(supervisor)


def _start_supervisor(
    command: Sequence[str | Path], log: Path, cleanup_command: Sequence[str], remove_folder: Path | None
) -> subprocess.Popen[bytes]:
    order = {
        "run": [str(argument) for argument in command],
        "afterwards": list(cleanup_command),
        "folder": str(remove_folder) if remove_folder else None,
    }
    program = Path(__file__).with_name("supervisor.py")
    with log.open("ab") as log_file:
        return subprocess.Popen(  # noqa: S603 - a program of this package
            [sys.executable, "-I", "-S", program, json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=log_file,
            stderr=log_file,
            # Ctrl-C reaches this process only, which then stops the node in order.
            start_new_session=True,
        )


def _wait_until_serving(supervisor: subprocess.Popen[bytes], bootstrap: str, log: Path) -> None:
    log_file = log.open("rb")  # opened now: the supervisor may remove the folder when the node ends
    with log_file:
        try:
            wait_until_ready(bootstrap, seconds=START_TIMEOUT, still_alive=lambda: supervisor.poll() is None)
        except BrokerUnavailableError as error:
            output = log_file.read().decode(errors="replace").strip()[-LOG_TAIL:]
            raise BrokerUnavailableError(f"{error} Output: {output or 'nothing'}") from None


def _stop(supervisor: subprocess.Popen[bytes]) -> None:
    if supervisor.stdin:
        supervisor.stdin.close()
    supervisor.wait()


OUTPUT_TAIL = 800  # characters of the output in an error message


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """The result of a command."""

    ok: bool
    output: str

    @property
    def output_tail(self) -> str:
        """The end of its output."""
        return self.output.strip()[-OUTPUT_TAIL:] or "nothing"


def run_command(command: Sequence[str | Path], *, timeout: float | None = None) -> CommandResult:
    """Run a command without input; a missing command or a timeout is a result that is not `ok`.

    Args:
        command: the command and its arguments; no shell reads them.
        timeout: its limit in seconds; None: no limit.
    """
    try:
        completed = subprocess.run(  # noqa: S603 - every caller spells its command; only paths and names vary
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return CommandResult(ok=False, output=str(error))
    return CommandResult(ok=completed.returncode == 0, output=completed.stdout)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservedPort:
    """A port of this machine that is reserved for this process."""

    port: int

    @property
    def address(self) -> str:
        """The address with this port."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def reserve_port(port: int = 0) -> Iterator[ReservedPort]:
    """Reserve a port while the block runs; 0 is any free port.

    Raises:
        BrokerUnavailableError: the port is taken.
    """
    # Bound and not listening, with SO_REUSEADDR: the kernel does not assign the port to another process,
    # and Java, which sets SO_REUSEADDR too, can still listen on it.
    with closing(socket.socket()) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(("127.0.0.1", port))
        except OSError as error:
            raise BrokerUnavailableError(f"Port {port} is taken ({error.strerror}); choose another.") from None
        yield ReservedPort(port=bound.getsockname()[1])
