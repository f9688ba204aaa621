"""Keep a local Kafka, or the simulated external systems, until somebody stops them."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import TYPE_CHECKING

from consumers.inbound.listen_socket import CannotListenError
from southbound.broker.broker import BrokerUnavailableError
from southbound.broker.open_broker import open_broker
from southbound.cli.exit_codes import ExitCode, not_reachable, wrong
from southbound.demo.show import run_demo
from southbound.operations.console import say
from southbound.operations.topic_admin import TopicsError
from southbound.service.load_rules import OperatorMistakesError
from southbound.service.logs import configure_logs
from southbound.service.serve import NotConfiguredError, NotReachableError
from southbound.simulator.definition import DefinitionMissingError
from southbound.simulator.script import ScriptError, demo_script, read_script
from southbound.simulator.system import ExternalSystem, serve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from southbound.settings.settings import Settings
    from southbound.simulator.system import StartableSystem


def keep_broker(settings: Settings, port: int, data: Path | None) -> int:
    """Run a broker of our own and print where it listens."""
    ended = threading.Event()
    # Raised like Ctrl-C, so that a broker that is only starting is ended too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        folder = _folder(data)
        with open_broker(None, settings.broker.image, say, folder=folder, port=port) as broker:
            print(broker.bootstrap, flush=True)  # noqa: T201 - it was asked for
            say(f"Ctrl-C ends it. Next: SOUTHBOUND_KAFKA__BOOTSTRAP={broker.bootstrap} southbound topics apply")
            _wait(ended)
    except BrokerUnavailableError as error:
        raise not_reachable(str(error)) from None
    return ExitCode.DONE


def _folder(data: Path | None) -> Path | None:
    if data is None:
        return None
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_reachable(f"--data {data} cannot be used ({error.strerror}): name another folder") from None
    return data.absolute()


def _wait(ended: threading.Event) -> None:
    try:
        ended.wait()
    except KeyboardInterrupt:
        say("Stopping Kafka")


def demonstrate(settings: Settings) -> int:
    """Run the demo; return its exit code."""
    # The demo draws the screen itself; what the service logs would tear the picture.
    configure_logs(settings.log.model_copy(update={"level": "error"}))
    try:
        return run_demo(settings)
    except (BrokerUnavailableError, NotReachableError, CannotListenError, TopicsError) as error:
        raise not_reachable(str(error)) from None
    except (NotConfiguredError, OperatorMistakesError) as error:
        raise wrong(str(error).splitlines()) from None


NAMES = ("fibre-lab", "copper-lab")

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - where a listener on all addresses is reached


def simulate(settings: Settings, script: Path | None, latency: float, first_port: int) -> int:
    """Start both systems and say where they are."""
    try:
        course = read_script(script) if script else demo_script()
    except ScriptError as error:
        raise wrong(str(error).splitlines()) from None
    listener = f"http://{EVERYWHERE.get(settings.listener.host, settings.listener.host)}:{settings.listener.port}"

    async def play() -> None:
        systems = [
            ExternalSystem(
                name=name, port=port, script=course, callback_url=f"{listener}/{name}/listener", latency=latency
            )
            for port, name in enumerate(NAMES, start=first_port)
        ]
        await serve(systems, _stopped(), _tell)

    try:
        asyncio.run(play())
    except (CannotListenError, DefinitionMissingError) as error:
        raise not_reachable(str(error)) from None
    return ExitCode.DONE


def _stopped() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _tell(systems: Sequence[StartableSystem]) -> None:
    for system in systems:
        print(f"{system.name}\t{system.base_url}", flush=True)  # noqa: T201 - it was asked for
    say("Ctrl-C ends them. What each was asked: GET /_simulator/received on its port")
