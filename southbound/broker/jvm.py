"""Run a real Kafka broker in a local JVM."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from southbound.broker.broker import Broker, BrokerKind
from southbound.broker.jars import ensure_jars
from southbound.broker.java import find_java
from southbound.broker.jvm_node import Jvm, run_node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def ensure_class_archive(jvm: Jvm, report: Callable[[str], None]) -> Jvm:
    """Return the JVM with a class-data archive, which the first call creates by one start and stop.

    Raises:
        BrokerUnavailableError: Kafka does not start.
    """
    archive = jvm.jars / f"classes-{jvm.java.version}.jsa"
    if not archive.exists():
        report("Creating an archive for faster starts, only this time")
        _write_archive(jvm, archive)
    # An empty file marks a Java that cannot write one; another attempt would cost seconds at every start.
    usable = archive.stat().st_size > 0
    return replace(jvm, flags=(f"-XX:SharedArchiveFile={archive}", "-Xshare:auto")) if usable else jvm


def _write_archive(jvm: Jvm, archive: Path) -> None:
    with tempfile.TemporaryDirectory(dir=jvm.jars.parent, prefix="archiving-") as folder:
        home, fresh = Path(folder), Path(folder, archive.name)
        with run_node(jvm, home, temporary=False, flags=(f"-XX:ArchiveClassesAtExit={fresh}",)):
            pass
        fresh.touch()
        fresh.rename(archive)


@contextmanager
def jvm_broker(
    report: Callable[[str], None], *, folder: Path | None = None, port: int | None = None
) -> Iterator[Broker]:
    """Run a broker while the block runs.

    Args:
        report: called with a sentence about each step that takes long.
        folder: keeps its data; None: the data is deleted at the end.
        port: the port to listen on; None: any free port.

    Raises:
        BrokerUnavailableError: Java, Maven or the jars are missing, the port is taken, or the broker does not start.
    """
    jvm = ensure_class_archive(Jvm(java=find_java(), jars=ensure_jars(report)), report)
    with ExitStack() as stack:
        home = folder or Path(stack.enter_context(_temporary_folder()))
        address = stack.enter_context(run_node(jvm, home, port=port, temporary=folder is None))
        yield Broker(bootstrap=address, kind=BrokerKind.JVM)


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    # The node's supervisor removes it too, in case this process is killed.
    return tempfile.TemporaryDirectory(prefix="southbound-kafka-", ignore_cleanup_errors=True)
