"""A Kafka of one or three real nodes in local JVMs, each of which can be stopped, killed and started again."""

from __future__ import annotations

import base64
import time
import uuid
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from os import kill
from pathlib import Path
from signal import SIGKILL, Signals
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING

from southbound.broker.broker import BrokerUnavailableError
from southbound.broker.jars import ensure_jars
from southbound.broker.java import find_java
from southbound.broker.jvm import ensure_class_archive
from southbound.broker.jvm_node import Jvm
from southbound.broker.node_settings import node_settings, properties_text
from southbound.broker.server import _start_supervisor, _stop, _wait_until_serving, reserve_port, run_command
from tests.chaos.conductor.small_disk import a_small_disk

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.chaos.conductor.small_disk import SmallDisk

MAX_REPLICAS = 3
KILL_TIMEOUT = 30.0  # seconds


@dataclass(slots=True, kw_only=True)
class ClusterNode:
    """One node, broker and controller at once, under a supervisor that stops it if this process ends."""

    jvm: Jvm
    home: Path
    data: Path  # the folder of its log
    port: int
    _supervisor: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start the process; `wait` returns when it serves."""
        command = self.jvm.command("kafka.Kafka", self.home / "server.properties")
        self._supervisor = _start_supervisor(command, self.home / "broker.log", (), None)

    def wait(self) -> None:
        """Return when the node serves clients."""
        if self._supervisor is not None:
            _wait_until_serving(self._supervisor, f"127.0.0.1:{self.port}", self.home / "broker.log")

    def stop(self) -> None:
        """Stop the node in order."""
        if self._supervisor is not None:
            _stop(self._supervisor)
            self._supervisor = None

    def kill(self) -> None:
        """Kill the node with SIGKILL."""
        if self._supervisor is None:
            return
        deadline = time.monotonic() + KILL_TIMEOUT
        while self._supervisor.poll() is None and time.monotonic() < deadline:
            self.signal(SIGKILL)  # again, because a supervisor that is starting has no child yet
            with suppress(TimeoutExpired):
                self._supervisor.wait(0.2)
        self.stop()

    @property
    def runs(self) -> bool:
        """Whether its process runs."""
        return self._supervisor is not None and self._supervisor.poll() is None

    def signal(self, number: Signals) -> None:
        """Send a signal to the node itself."""
        for child in [] if self._supervisor is None else _children(self._supervisor.pid):
            with suppress(ProcessLookupError):
                kill(child, number)


@dataclass(slots=True, kw_only=True)
class KafkaCluster:
    """The nodes of one cluster."""

    nodes: list[ClusterNode] = field(default_factory=list)
    disk: SmallDisk | None = None  # of the log of the first node, if it has one of its own

    @property
    def bootstrap(self) -> str:
        """The addresses of all nodes."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    @property
    def replicas(self) -> int:
        """How many copies a topic has."""
        return min(MAX_REPLICAS, len(self.nodes))


@contextmanager
def a_cluster(folder: Path, size: int, *, small_disk: bool = False) -> Iterator[KafkaCluster]:
    """Run a cluster of `size` nodes while the block runs. `small_disk`: the first one has a disk that can be filled.

    Raises:
        BrokerUnavailableError: Java, Maven or the jars are missing, or a node does not start.
        CalledProcessError: this user may not mount a disk.
    """
    jvm = ensure_class_archive(Jvm(java=find_java(), jars=ensure_jars(print)), print)
    with ExitStack() as stack:
        ports = [[stack.enter_context(reserve_port()).port for _ in range(2)] for _ in range(size)]
        cluster = KafkaCluster(disk=stack.enter_context(a_small_disk()) if small_disk else None)
        identity = base64.urlsafe_b64encode(b"\1" + uuid.uuid4().bytes[1:])[:22].decode()
        voters = ",".join(f"{number}@127.0.0.1:{controller}" for number, (_, controller) in enumerate(ports, 1))
        for number, (port, controller) in enumerate(ports, 1):
            home = folder / f"kafka-{number}"
            data = (cluster.disk.path if cluster.disk and number == 1 else home) / "data"
            node = ClusterNode(jvm=jvm, home=home, data=data, port=port)
            _prepare(node, number, controller, voters, identity, size)
            cluster.nodes.append(node)
        for node in cluster.nodes:
            stack.callback(node.kill)
            node.launch()
        for node in cluster.nodes:
            node.wait()
        yield cluster


def _prepare(node: ClusterNode, number: int, controller: int, voters: str, identity: str, size: int) -> None:
    node.home.mkdir(parents=True, exist_ok=True)
    settings = node_settings(port=node.port, controller_port=controller, data=str(node.data))
    settings["group.consumer.session.timeout.ms"] = "4000"  # the broker's, for the protocol `consumer`
    settings |= {"node.id": str(number), "controller.quorum.voters": voters} | _replication(size)
    properties = node.home / "server.properties"
    properties.write_text(properties_text(settings))
    words = ("format", "--cluster-id", identity, "--config", properties)
    if not (result := run_command(node.jvm.command("kafka.tools.StorageTool", *words))).ok:
        raise BrokerUnavailableError(f"Kafka could not format {node.home}. Output: {result.output_tail}")


def _replication(size: int) -> dict[str, str]:
    if size == 1:
        return {}
    copies, in_sync = str(min(MAX_REPLICAS, size)), str(min(MAX_REPLICAS, size) - 1)
    factors = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    return {
        **{f"{name}.replication.factor": copies for name in factors},
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.min.isr": in_sync,
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "broker.session.timeout.ms": "3000",
        "controlled.shutdown.enable": "true",
    }


def _children(pid: int) -> list[int]:
    file = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in file.read_text().split()] if file.exists() else []
