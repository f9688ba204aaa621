"""Run one Kafka node in a local JVM, with a folder of its own."""

import base64
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from southbound.broker.broker import BrokerUnavailableError
from southbound.broker.jars import class_path
from southbound.broker.java import Java
from southbound.broker.node_settings import node_settings, properties_text
from southbound.broker.server import reserve_port, run_command, run_server

# A small heap and one compiler tier: a fast start matters, not peak throughput.
JVM_FLAGS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jvm:
    """A Java, the jars of Kafka, and the JVM flags that depend on both."""

    java: Java
    jars: Path
    flags: tuple[str, ...] = ()

    def command(self, main_class: str, *arguments: str | Path) -> list[str | Path]:
        """Return the command that runs one of Kafka's main classes."""
        return [self.java.path, *JVM_FLAGS, *self.flags, "-cp", class_path(self.jars), main_class, *arguments]


@contextmanager
def run_node(
    jvm: Jvm, home: Path, *, port: int | None = None, temporary: bool, flags: tuple[str, ...] = ()
) -> Iterator[str]:
    """Run a node while the block runs; yield the address that it listens on.

    Args:
        jvm: the Java and the jars to run it with.
        home: the folder of its data, settings and log.
        port: the port to listen on; None: any free port.
        temporary: whether the folder is deleted when the node ends, even if this process is killed.
        flags: more flags for the JVM of the node itself.

    Raises:
        BrokerUnavailableError: the port is taken, or the node does not start.
    """
    with ExitStack() as stack:
        broker, controller = (stack.enter_context(reserve_port(number)) for number in (port or 0, 0))
        properties = _write_settings(home, broker.port, controller.port)
        _format(jvm, home, properties)
        java, *arguments = jvm.command("kafka.Kafka", properties)
        stack.enter_context(
            run_server(
                [java, *flags, *arguments],
                bootstrap=broker.address,
                log=home / "broker.log",
                remove_folder=home if temporary else None,
            )
        )
        yield broker.address


def _write_settings(home: Path, port: int, controller_port: int) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    settings = node_settings(port=port, controller_port=controller_port, data=str(home / "data"))
    properties = home / "server.properties"
    properties.write_text(properties_text(settings))
    return properties


def _format(jvm: Jvm, home: Path, properties: Path) -> None:
    """Format the log folder with a cluster id if it is empty; Kafka starts on no other."""
    if (home / "data" / "meta.properties").exists():
        return
    identity = ("--cluster-id", _new_cluster_id())
    result = run_command(jvm.command("kafka.tools.StorageTool", "format", *identity, "--config", properties))
    if not result.ok:
        raise BrokerUnavailableError(f"Kafka could not format {home}. Output: {result.output_tail}")


def _new_cluster_id() -> str:
    # The first byte is fixed, because an id that starts with "-" reads as an option.
    return base64.urlsafe_b64encode(b"\1" + uuid.uuid4().bytes[1:])[:22].decode()
