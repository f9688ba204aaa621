"""Choose a broker: the configured one, one in Docker, or one in a local JVM."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from southbound.broker.broker import Broker, BrokerKind, BrokerUnavailableError
from southbound.broker.docker import IMAGE, docker_broker, engine_answers
from southbound.broker.jvm import jvm_broker


@contextmanager
def open_broker(
    bootstrap: str | None,
    image: str | None,
    report: Callable[[str], None],
    *,
    folder: Path | None = None,
    port: int | None = None,
) -> Iterator[Broker]:
    """Provide a broker while the block runs; one that is started here is stopped at the end.

    Args:
        bootstrap: the address of a running broker; None: one is started.
        image: the image for Docker; None: the official one.
        report: called with sentences about the broker and each step that takes long.
        folder: keeps the data of a started broker; None: the data is deleted at the end.
        port: the port of a started broker; None: any free port.

    Raises:
        BrokerUnavailableError: no broker is available; the message says what to install.
    """
    with ExitStack() as stack:
        if bootstrap:
            report(f"Using the configured Kafka at {bootstrap}")
            yield Broker(bootstrap=bootstrap, kind=BrokerKind.CONFIGURED)
            return
        broker = _start_in_docker(stack, image or IMAGE, report, folder, port)
        if broker is None:
            report("Starting Kafka in a local JVM")
            broker = stack.enter_context(jvm_broker(report, folder=folder, port=port))
        report(f"Kafka answers at {broker.bootstrap}")
        yield broker


def _start_in_docker(
    stack: ExitStack, image: str, report: Callable[[str], None], folder: Path | None, port: int | None
) -> Broker | None:
    if not engine_answers():
        return None
    report(f"Starting Kafka in Docker from {image}")
    try:
        return stack.enter_context(docker_broker(image, report, folder=folder, port=port))
    except BrokerUnavailableError as problem:
        report(str(problem))
        return None
