"""Run `southbound broker`, `southbound demo` and `southbound simulate`."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from functools import partial
from typing import TYPE_CHECKING

from consumers.inbound.callback_auth import headers_for
from consumers.inbound.listen_socket import CannotListenError
from consumers.spokes.credentials import SecretMissingError
from consumers.spokes.profile_loader import ProfilesWrongError, load_profiles, profile_files
from southbound.broker.broker import BrokerUnavailableError
from southbound.broker.open_broker import open_broker
from southbound.cli.exit_codes import ExitCode, invalid_input, unreachable
from southbound.demo.run_demo import run_demo
from southbound.operations.console import print_status
from southbound.operations.topic_admin import TopicsError
from southbound.service.load_rules import InvalidConfigurationError
from southbound.service.logs import configure_logs
from southbound.service.serve import NotConfiguredError, NotReachableError
from southbound.simulator.external_system import ExternalSystem, run_systems
from southbound.simulator.instance.service_now import ServiceNowInstance
from southbound.simulator.presets.open_slice import OpenSliceLikeSystem
from southbound.simulator.script import ScriptError, demo_script, read_script
from southbound.simulator.tmf_definition import DefinitionMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from southbound.settings.settings import Settings
    from southbound.simulator.external_system import StartableSystem


def run_broker(settings: Settings, port: int, data: Path | None) -> int:
    """Run `southbound broker`. `data` is the folder that keeps its data; None: the data is deleted at the end.

    Raises:
        CommandFailedError: no broker can be started, or the folder cannot be used.
    """
    stop = threading.Event()
    # Handled like Ctrl-C, so that a broker that is still starting is stopped too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        folder = _data_folder(data)
        with open_broker(None, settings.broker.image, print_status, folder=folder, port=port) as broker:
            print(broker.bootstrap, flush=True)
            print_status(
                f"Ctrl-C stops it. Next: SOUTHBOUND_KAFKA__BOOTSTRAP={broker.bootstrap} southbound topics apply"
            )
            _wait_for_interrupt(stop)
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


def _wait_for_interrupt(stop: threading.Event) -> None:
    try:
        stop.wait()
    except KeyboardInterrupt:
        print_status("Stopping Kafka")


def show_demo(settings: Settings) -> int:
    """Run `southbound demo`; return its exit code.

    Raises:
        CommandFailedError: Kafka or a port is not available, or the settings or files are wrong.
    """
    # The demo draws on the whole screen; log lines of the service would break the picture.
    configure_logs(settings.log.model_copy(update={"level": "error"}))
    try:
        return run_demo(settings)
    except (BrokerUnavailableError, NotReachableError, CannotListenError, TopicsError) as error:
        raise unreachable(str(error)) from None
    except (NotConfiguredError, InvalidConfigurationError) as error:
        raise invalid_input(str(error).splitlines()) from None


SYSTEM_NAMES = ("fibre-lab", "copper-lab")

LOOPBACK_FOR_WILDCARD = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - where a listener on all addresses is reached


def run_simulator(
    settings: Settings, script: Path | None, latency: float, first_port: int, *, open_slice: bool = False
) -> int:
    """Run `southbound simulate` from port `first_port`, with a system like OpenSlice or without; `latency` in seconds.

    Raises:
        CommandFailedError: the script is wrong, a port is taken, or the TMF653 definition is missing.
    """
    try:
        behaviours = read_script(script) if script else demo_script()
    except ScriptError as error:
        raise invalid_input(str(error).splitlines()) from None
    listener = (
        f"http://{LOOPBACK_FOR_WILDCARD.get(settings.listener.host, settings.listener.host)}:{settings.listener.port}"
    )

    credentials = _callback_headers(settings)

    async def run() -> None:
        systems: list[StartableSystem] = [
            ExternalSystem(
                name=name,
                port=port,
                script=behaviours,
                callback_url=f"{listener}/{name}/listener",
                sign_callback=credentials.get(name),
                latency=latency,
            )
            for port, name in enumerate(SYSTEM_NAMES, start=first_port)
        ]
        systems.append(ServiceNowInstance(port=first_port + len(SYSTEM_NAMES), latency=latency))
        if open_slice:
            systems.append(OpenSliceLikeSystem(port=first_port + len(SYSTEM_NAMES) + 1, latency=latency))
        await run_systems(systems, _stop_event(), _print_addresses)

    try:
        asyncio.run(run())
    except (CannotListenError, DefinitionMissingError) as error:
        raise unreachable(str(error)) from None
    return ExitCode.SUCCESS


def _callback_headers(settings: Settings) -> dict[str, Callable[[bytes], Mapping[str, str]]]:
    """Return what each system sends with a callback, by its body: the credentials that its profile asks for."""
    folder = settings.routing.spokes
    try:
        profiles = load_profiles(profile_files(folder))
        simulated = [profile for profile in profiles if profile.name in SYSTEM_NAMES]
        for profile in simulated:
            headers_for(profile.callback_auth, os.environ)  # a secret that is missing is reported at the start
        return {one.name: partial(headers_for, one.callback_auth, os.environ) for one in simulated}
    except (ProfilesWrongError, SecretMissingError) as error:
        raise invalid_input(str(error).splitlines()) from None


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _print_addresses(systems: Sequence[StartableSystem]) -> None:
    for system in systems:
        print(f"{system.name}\t{system.base_url}", flush=True)
    print_status("Ctrl-C stops them. Requests that each received: GET /_simulator/received on its port")
