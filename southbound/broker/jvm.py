"""Run a real Kafka broker in a local JVM."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from southbound.broker.archive import have_archive
from southbound.broker.broker import Broker, Kind
from southbound.broker.jars import have_jars
from southbound.broker.java import find_java
from southbound.broker.jvm_node import Jvm, run_node


@contextmanager
def jvm_broker(say: Callable[[str], None], *, folder: Path | None = None, port: int | None = None) -> Iterator[Broker]:
    """Run a broker while the block runs.

    Args:
        say: told what takes long.
        folder: where its data stays; without one it is thrown away at the end.
        port: where it listens; without one it is any free port.

    Raises:
        BrokerUnavailableError: no Java, no Maven, no jars, the port is taken, or it does not start.
    """
    jvm = have_archive(Jvm(java=find_java(), jars=have_jars(say)), say)
    with ExitStack() as stack:
        home = folder or Path(stack.enter_context(_throw_away_folder()))
        address = stack.enter_context(run_node(jvm, home, port=port, throw_away=folder is None))
        yield Broker(bootstrap=address, kind=Kind.JVM)


def _throw_away_folder() -> "tempfile.TemporaryDirectory[str]":
    # The node's keeper removes it too, in case we are killed before we can.
    return tempfile.TemporaryDirectory(prefix="southbound-kafka-", ignore_cleanup_errors=True)
