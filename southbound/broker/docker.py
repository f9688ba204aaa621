"""Run a real Kafka broker in a container, where a Docker engine answers."""

import hashlib
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from southbound.broker.broker import Broker, BrokerKind, BrokerUnavailableError
from southbound.broker.jars import KAFKA
from southbound.broker.node import as_environment, node_settings
from southbound.broker.server import reserve, run_command, serve

IMAGE = f"apache/kafka:{KAFKA}"
DATA = "/var/lib/kafka/data"  # a volume of the official image, owned by its user
ANSWER = 10.0  # seconds an engine has to answer
PULL = 600.0  # seconds for an image


def engine_answers() -> bool:
    """Return whether a Docker engine answers."""
    return run_command(["docker", "version"], seconds=ANSWER).ok


def have_image(image: str, say: Callable[[str], None]) -> None:
    """Make sure the engine has an image, and pull it if need be.

    Raises:
        BrokerUnavailableError: it cannot be pulled.
    """
    if run_command(["docker", "image", "inspect", image], seconds=ANSWER).ok:
        return
    say(f"Pulling the image {image}, this once")
    pulled = run_command(["docker", "pull", "--quiet", image], seconds=PULL)
    if not pulled.ok:
        raise BrokerUnavailableError(f"Docker cannot get the image {image}. It said: {pulled.last_words}")


@contextmanager
def docker_broker(
    image: str, say: Callable[[str], None], *, folder: Path | None = None, port: int | None = None
) -> Iterator[Broker]:
    """Run a broker while the block runs.

    Args:
        image: any image that reads the variables of the official one.
        say: told what takes long.
        folder: where its data stays, in the Docker volume of this folder; without one it is thrown away.
        port: where it listens; without one it is any free port.

    Raises:
        BrokerUnavailableError: the image cannot be had, the port is taken, or it does not start.
    """
    have_image(image, say)
    name = f"southbound-kafka-{uuid.uuid4().hex[:12]}"
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="southbound-docker-")))
        # Kafka in a container may be refused a port that we hold, so here they are let go before the start.
        with reserve(port or 0) as broker, reserve() as controller:
            command = container(image, name, broker.port, controller.port, platform=sys.platform)
        stack.enter_context(
            serve(
                [*command[:-1], *_volume(folder, say), command[-1]],
                bootstrap=broker.address,
                log=home / "broker.log",
                afterwards=["docker", "rm", "--force", "--volumes", name],
                throw_away=home,
            )
        )
        yield Broker(bootstrap=broker.address, kind=BrokerKind.DOCKER)


def container(image: str, name: str, port: int, controller_port: int, *, platform: str) -> list[str]:
    """Return the command that runs the node in the foreground; the image is its last word."""
    on_linux = platform == "linux"
    settings = node_settings(
        port=port,
        controller_port=controller_port,
        data=DATA,
        listen="127.0.0.1" if on_linux else "0.0.0.0",  # noqa: S104 - inside the container's own network
    )
    # Only Linux shares its network with containers; elsewhere the port is published on loopback.
    network = ["--network", "host"] if on_linux else ["--publish", f"127.0.0.1:{port}:{port}"]
    return ["docker", "run", "--rm", "--name", name, *network, *_variables(as_environment(settings)), image]


def volume_of(folder: Path) -> str:
    """Name the Docker volume that stands for a folder of this machine."""
    return f"southbound-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]}"


def _volume(folder: Path | None, say: Callable[[str], None]) -> list[str]:
    if folder is None:
        return []
    # A volume and not the folder itself: it takes over the image's owner, so that any user can run it.
    say(f"The data is kept in the Docker volume {volume_of(folder)}")
    return ["--volume", f"{volume_of(folder)}:{DATA}"]


def _variables(environment: Mapping[str, str]) -> list[str]:
    return [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
