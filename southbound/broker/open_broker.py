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
    """Have a broker while the block runs; one that we started ends with it.

    Args:
        bootstrap: a broker that runs already; nothing is started then.
        image: the image for Docker; the official one when not given.
        report: called with sentences about which broker it is and what takes long.
        folder: where the data of a broker of ours stays; without one it is thrown away.
        port: where a broker of ours listens; without one it is any free port.

    Raises:
        BrokerUnavailableError: none can be had; the message says what to install.
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
