"""Run a real Kafka broker in a Docker container."""

import hashlib
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from southbound.broker.broker import Broker, BrokerKind, BrokerUnavailableError
from southbound.broker.jars import KAFKA_VERSION
from southbound.broker.node_settings import environment_variables, node_settings
from southbound.broker.server import reserve_port, run_command, run_server

IMAGE = f"apache/kafka:{KAFKA_VERSION}"
DATA_FOLDER = "/var/lib/kafka/data"  # a volume of the official image, owned by its user
ENGINE_TIMEOUT = 10.0  # seconds for a response of the engine
PULL_TIMEOUT = 600.0  # seconds to pull an image


def engine_answers() -> bool:
    """Return whether a Docker engine answers."""
    return run_command(["docker", "version"], timeout=ENGINE_TIMEOUT).ok


def ensure_image(image: str, report: Callable[[str], None]) -> None:
    """Pull an image if the engine does not have it.

    Raises:
        BrokerUnavailableError: it cannot be pulled.
    """
    if run_command(["docker", "image", "inspect", image], timeout=ENGINE_TIMEOUT).ok:
        return
    report(f"Pulling the image {image}, only this time")
    pulled = run_command(["docker", "pull", "--quiet", image], timeout=PULL_TIMEOUT)
    if not pulled.ok:
        raise BrokerUnavailableError(f"Docker cannot get the image {image}. Output: {pulled.output_tail}")


@contextmanager
def docker_broker(
    image: str, report: Callable[[str], None], *, folder: Path | None = None, port: int | None = None
) -> Iterator[Broker]:
    """Run a broker while the block runs.

    Args:
        image: any image that reads the variables of the official one.
        report: called with a sentence about each step that takes long.
        folder: keeps its data, in the Docker volume of this folder; None: the data is deleted at the end.
        port: the port to listen on; None: any free port.

    Raises:
        BrokerUnavailableError: the image is not available, the port is taken, or the broker does not start.
    """
    ensure_image(image, report)
    name = f"southbound-kafka-{uuid.uuid4().hex[:12]}"
    with ExitStack() as stack:
        log_folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="southbound-docker-")))
        # Kafka in a container may not get a port that this process reserves, so both are released before the start.
        with reserve_port(port or 0) as broker, reserve_port() as controller:
            command = container_command(image, name, broker.port, controller.port, platform=sys.platform)
        stack.enter_context(
            run_server(
                [*command[:-1], *_volume_options(folder, report), command[-1]],
                bootstrap=broker.address,
                log=log_folder / "broker.log",
                cleanup_command=["docker", "rm", "--force", "--volumes", name],
                remove_folder=log_folder,
            )
        )
        yield Broker(bootstrap=broker.address, kind=BrokerKind.DOCKER)


def container_command(image: str, name: str, port: int, controller_port: int, *, platform: str) -> list[str]:
    """Return the command that runs the node in the foreground; the image is its last argument."""
    on_linux = platform == "linux"
    settings = node_settings(
        port=port,
        controller_port=controller_port,
        data=DATA_FOLDER,
        listen="127.0.0.1" if on_linux else "0.0.0.0",  # noqa: S104 - inside the container's own network
    )
    # Only on Linux can a container share the host's network; elsewhere the port is published on loopback.
    network = ["--network", "host"] if on_linux else ["--publish", f"127.0.0.1:{port}:{port}"]
    return [
        "docker",
        "run",
        "--rm",
        "--name",
        name,
        *network,
        *_environment_options(environment_variables(settings)),
        image,
    ]


def volume_name(folder: Path) -> str:
    """Return the name of the Docker volume that belongs to a folder of this machine."""
    return f"southbound-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]}"


def _volume_options(folder: Path | None, report: Callable[[str], None]) -> list[str]:
    if folder is None:
        return []
    # A volume instead of the folder itself: its owner is the image's user, so that any user can run it.
    report(f"The data is kept in the Docker volume {volume_name(folder)}")
    return ["--volume", f"{volume_name(folder)}:{DATA_FOLDER}"]


def _environment_options(environment: Mapping[str, str]) -> list[str]:
    return [option for name, value in environment.items() for option in ("--env", f"{name}={value}")]
