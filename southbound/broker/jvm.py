"""Run a real Kafka broker in a local JVM."""

import base64
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from southbound.broker.broker import Broker, BrokerUnavailableError, Kind
from southbound.broker.commands import run_command
from southbound.broker.jars import class_path, have_jars
from southbound.broker.java import find_java
from southbound.broker.node import as_properties, node_settings
from southbound.broker.ports import reserve
from southbound.broker.server import serve

# A small heap, one compiler tier: start-up counts, not peak throughput.
FLAGS = (
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
    """A Java and the jars of Kafka."""

    java: Path
    jars: Path

    def command(self, main_class: str, *words: str | Path) -> list[str | Path]:
        """Give the command that runs one of Kafka's main classes."""
        return [self.java, *FLAGS, "-cp", class_path(self.jars), main_class, *words]


@contextmanager
def jvm_broker(
    say: Callable[[str], None], *, folder: Path | None = None, port: int | None = None
) -> Iterator[Broker]:
    """Run a broker while the block runs.

    Args:
        say: told what takes long.
        folder: where its data stays; without one it is thrown away at the end.
        port: where it listens; without one it is any free port.

    Raises:
        BrokerUnavailableError: no Java, no Maven, no jars, the port is taken, or it does not start.
    """
    jvm = Jvm(java=find_java(), jars=have_jars(say))
    with ExitStack() as stack:
        home = folder or Path(stack.enter_context(_throw_away_folder()))
        broker, controller = (stack.enter_context(reserve(wanted)) for wanted in (port or 0, 0))
        properties = _write_settings(home, broker.port, controller.port)
        _format(jvm, home, properties)
        stack.enter_context(
            serve(
                jvm.command("kafka.Kafka", properties),
                bootstrap=broker.address,
                log=home / "broker.log",
                throw_away=None if folder else home,
            )
        )
        yield Broker(bootstrap=broker.address, kind=Kind.JVM)


def _throw_away_folder() -> "tempfile.TemporaryDirectory[str]":
    # The keeper removes it too, in case we are killed before we can.
    return tempfile.TemporaryDirectory(prefix="southbound-kafka-", ignore_cleanup_errors=True)


def _write_settings(home: Path, port: int, controller_port: int) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    settings = node_settings(port=port, controller_port=controller_port, data=str(home / "data"))
    properties = home / "server.properties"
    properties.write_text(as_properties(settings))
    return properties


def _format(jvm: Jvm, home: Path, properties: Path) -> None:
    """Give an empty log folder its identity; Kafka starts on no other."""
    if (home / "data" / "meta.properties").exists():
        return
    identity = ("--cluster-id", _new_cluster_id())
    done = run_command(jvm.command("kafka.tools.StorageTool", "format", *identity, "--config", properties))
    if not done.ok:
        raise BrokerUnavailableError(f"Kafka could not prepare {home}. It said: {done.last_words}")


def _new_cluster_id() -> str:
    # The first byte is fixed, because an id that starts with "-" reads as an option.
    return base64.urlsafe_b64encode(b"\1" + uuid.uuid4().bytes[1:])[:22].decode()
