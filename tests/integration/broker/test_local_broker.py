"""A local broker keeps its topics, and leaves no process or container behind, however its owner ends."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from southbound.broker.broker import BrokerUnavailableError
from southbound.broker.jvm import jvm_broker
from southbound.broker.server import run_command

ROOT = Path(__file__).parents[3]
OWNER_PROGRAM = """
import signal, sys
from southbound.broker.docker import docker_broker
from southbound.broker.server import run_command
from southbound.broker.jvm import jvm_broker
ignore_message = lambda message: None
with docker_broker(sys.argv[1], ignore_message) if sys.argv[1:] else jvm_broker(ignore_message) as broker:
    print(broker.bootstrap, flush=True)
    signal.pause()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOwner:
    """A process that has started a broker."""

    process: "subprocess.Popen[str]"
    bootstrap: str

    def stop(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.process.wait(90)


@pytest.fixture
def start_owner() -> Iterator[Callable[..., BrokerOwner]]:
    """Return a function that starts a process with a temporary broker: in a JVM, or in Docker from an image."""
    with ExitStack() as stack:

        def start(*image: str) -> BrokerOwner:
            command = [sys.executable, "-c", OWNER_PROGRAM, *image]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            stack.callback(process.communicate)
            stack.callback(process.kill)
            assert process.stdout
            return BrokerOwner(process=process, bootstrap=process.stdout.readline().strip())

        yield start


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_broker_ends_with_its_owner(start_owner: Callable[..., BrokerOwner], ending: signal.Signals) -> None:
    owner = start_owner()
    assert accepts_connections(owner.bootstrap)
    assert processes_of(owner.bootstrap)
    owner.stop(ending)
    wait_until(lambda: not accepts_connections(owner.bootstrap) and not processes_of(owner.bootstrap))


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_container_is_removed_when_its_owner_ends(
    docker_image: str, start_owner: Callable[..., BrokerOwner], ending: signal.Signals
) -> None:
    before = containers()
    owner = start_owner(docker_image)
    assert accepts_connections(owner.bootstrap)
    assert containers() > before
    owner.stop(ending)
    wait_until(lambda: not accepts_connections(owner.bootstrap) and containers() == before)


def test_a_folder_keeps_its_topics_from_one_start_to_the_next(tmp_path: Path) -> None:
    with jvm_broker(print, folder=tmp_path) as first:
        admin = AdminClient({"bootstrap.servers": first.bootstrap})
        admin.create_topics([NewTopic("kept", num_partitions=2, replication_factor=1)])["kept"].result(60)
    with jvm_broker(print, folder=tmp_path) as second:
        again = AdminClient({"bootstrap.servers": second.bootstrap})
        wait_until(lambda: "kept" in again.list_topics(timeout=60).topics)
        assert len(again.list_topics(timeout=60).topics["kept"].partitions) == 2


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BrokerUnavailableError, match=str(port)), jvm_broker(print, port=port):
            pytest.fail("the port was taken")


def test_a_node_that_cannot_start_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(BrokerUnavailableError, match=r"Output: .*\w"), jvm_broker(print, folder=tmp_path):
        pytest.fail("it cannot start")


def accepts_connections(bootstrap: str) -> bool:
    host, _, port = bootstrap.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def containers() -> frozenset[str]:
    listed = run_command(["docker", "ps", "--all", "--quiet"])
    assert listed.ok, listed.output
    return frozenset(listed.output.split())


def processes_of(bootstrap: str) -> list[str]:
    """Return the command lines of broker processes whose settings contain this port."""
    port = bootstrap.rpartition(":")[2]
    return [line for line in command_lines() if "kafka.Kafka" in line and names_port(line.split()[-1], port)]


def names_port(properties: str, port: str) -> bool:
    path = Path(properties.rstrip('"]}'))
    try:
        return path.suffix == ".properties" and f":{port}," in path.read_text()
    except OSError:  # it is removed with its node
        return False


def command_lines() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)
