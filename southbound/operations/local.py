"""Keep a local Kafka, or the simulated external systems, until they are stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import TYPE_CHECKING

from consumers.inbound.callback_auth import headers_for
from consumers.inbound.listen_socket import CannotListenError
from consumers.spokes.credentials import SecretMissingError
from southbound.broker.broker import BrokerUnavailableError
from southbound.broker.open_broker import open_broker
from southbound.cli.exit_codes import ExitCode, invalid_input, unreachable
from southbound.demo.show import run_demo
from southbound.operations.console import print_status
from southbound.operations.topic_admin import TopicsError
from southbound.service.load_rules import InvalidConfigurationError, load_rules
from southbound.service.logs import configure_logs
from southbound.service.serve import NotConfiguredError, NotReachableError
from southbound.simulator.definition import DefinitionMissingError
from southbound.simulator.script import ScriptError, demo_script, read_script
from southbound.simulator.system import ExternalSystem, run_systems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from southbound.settings.settings import Settings
    from southbound.simulator.system import StartableSystem


def run_broker(settings: Settings, port: int, data: Path | None) -> int:
    """Run a broker of our own and print where it listens."""
    ended = threading.Event()
    # Raised like Ctrl-C, so that a broker that is only starting is ended too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        folder = _data_folder(data)
        with open_broker(None, settings.broker.image, print_status, folder=folder, port=port) as broker:
            print(broker.bootstrap, flush=True)  # noqa: T201 - it was asked for
            print_status(
                f"Ctrl-C ends it. Next: SOUTHBOUND_KAFKA__BOOTSTRAP={broker.bootstrap} southbound topics apply"
            )
            _wait_for_interrupt(ended)
    except BrokerUnavailableError as error:
        raise unreachable(str(error)) from None
    return ExitCode.SUCCESS


def _data_folder(data: Path | None) -> Path | None:
    if data is None:
        return None
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unreachable(f"--data {data} cannot be used ({error.strerror}): name another folder") from None
    return data.absolute()


def _wait_for_interrupt(ended: threading.Event) -> None:
    try:
        ended.wait()
    except KeyboardInterrupt:
        print_status("Stopping Kafka")


def show_demo(settings: Settings) -> int:
    """Run the demo; return its exit code."""
    # The demo draws the screen itself; what the service logs would tear the picture.
    configure_logs(settings.log.model_copy(update={"level": "error"}))
    try:
        return run_demo(settings)
    except (BrokerUnavailableError, NotReachableError, CannotListenError, TopicsError) as error:
        raise unreachable(str(error)) from None
    except (NotConfiguredError, InvalidConfigurationError) as error:
        raise invalid_input(str(error).splitlines()) from None


SYSTEM_NAMES = ("fibre-lab", "copper-lab")

LOOPBACK_FOR_WILDCARD = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - where a listener on all addresses is reached


def simulate(settings: Settings, script: Path | None, latency: float, first_port: int) -> int:
    """Start both systems and say where they are."""
    try:
        course = read_script(script) if script else demo_script()
    except ScriptError as error:
        raise invalid_input(str(error).splitlines()) from None
    listener = (
        f"http://{LOOPBACK_FOR_WILDCARD.get(settings.listener.host, settings.listener.host)}:{settings.listener.port}"
    )

    credentials = _callback_headers(settings)

    async def play() -> None:
        systems = [
            ExternalSystem(
                name=name,
                port=port,
                script=course,
                callback_url=f"{listener}/{name}/listener",
                callback_headers=credentials.get(name),
                latency=latency,
            )
            for port, name in enumerate(SYSTEM_NAMES, start=first_port)
        ]
        await run_systems(systems, _stop_event(), _print_addresses)

    try:
        asyncio.run(play())
    except (CannotListenError, DefinitionMissingError) as error:
        raise unreachable(str(error)) from None
    return ExitCode.SUCCESS


def _callback_headers(settings: Settings) -> dict[str, Mapping[str, str]]:
    """Return what each system sends with its callbacks: the credentials that its profile asks for."""
    try:
        profiles = load_rules(settings.routing).profiles
        return {profile.name: headers_for(profile.callback_auth, os.environ) for profile in profiles}
    except (InvalidConfigurationError, SecretMissingError) as error:
        raise invalid_input(str(error).splitlines()) from None


def _stop_event() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _print_addresses(systems: Sequence[StartableSystem]) -> None:
    for system in systems:
        print(f"{system.name}\t{system.base_url}", flush=True)  # noqa: T201 - it was asked for
    print_status("Ctrl-C ends them. What each was asked: GET /_simulator/received on its port")
