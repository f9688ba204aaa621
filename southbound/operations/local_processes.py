"""Run `southbound broker`, `southbound demo` and `southbound simulate`."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from functools import partial
from secrets import randbelow
from typing import TYPE_CHECKING

from consumers.inbound.listen_socket import CannotListenError
from consumers.spokes.credentials import SecretMissingError
from consumers.spokes.profile_loader import ProfilesWrongError, load_profiles, profile_files
from southbound.broker.broker import BrokerUnavailableError
from southbound.broker.open_broker import open_broker
from southbound.demo.run_demo import run_demo
from southbound.exit_codes import ExitCode, invalid_input, unreachable
from southbound.operations.console import print_content, print_status
from southbound.operations.topic_admin import TopicsError
from southbound.service.load_rules import InvalidConfigurationError
from southbound.service.logs import configure_logs
from southbound.service.serve import NotConfiguredError, NotReachableError
from southbound.simulator.external_system import run_systems
from southbound.simulator.scenario.build_systems import build_systems
from southbound.simulator.scenario.model_file import ModelFileError
from southbound.simulator.scenario.scenario import read_scenario, scenario_schema
from southbound.simulator.scenario.shipped import shipped_scenario
from southbound.simulator.script import ScriptError, demo_script, read_script
from southbound.simulator.tmf_definition import DefinitionMissingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from consumers.spokes.security.callback_credentials import CallbackAuth
    from southbound.settings.settings import Settings
    from southbound.simulator.external_system import StartableSystem
    from southbound.simulator.scenario.scenario import SimulationScenario


_SEEDS = 2**32  # a number that people can copy


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
    configure_logs(settings.log.model_copy(update={"level": "error"}), audit=False)
    try:
        return run_demo(settings)
    except (BrokerUnavailableError, NotReachableError, CannotListenError, TopicsError) as error:
        raise unreachable(str(error)) from None
    except (NotConfiguredError, InvalidConfigurationError) as error:
        raise invalid_input(str(error).splitlines()) from None


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
    host = LOOPBACK_FOR_WILDCARD.get(settings.listener.host, settings.listener.host)
    scenario = shipped_scenario(
        script=behaviours,
        first_port=first_port,
        latency=latency,
        listener=f"http://{host}:{settings.listener.port}",
        credentials=_callback_credentials(settings),
        open_slice=open_slice,
    )
    return _simulate(scenario, scenario.seed or 0)


def _callback_credentials(settings: Settings) -> dict[str, CallbackAuth]:
    """Return what the profile of each system asks callbacks for."""
    try:
        profiles = load_profiles(profile_files(settings.routing.spokes))
    except ProfilesWrongError as error:
        raise invalid_input(str(error).splitlines()) from None
    return {profile.name: profile.callback_auth for profile in profiles}


def run_scenario(file: Path, *, check: bool = False) -> int:
    """Run `southbound simulate --scenario`; with `check`, read the file and its secrets, and start nothing.

    Raises:
        CommandFailedError: the file is wrong, a secret or the TMF653 definition is missing, or a port is taken.
    """
    try:
        scenario = read_scenario(file)
    except ModelFileError as error:
        raise invalid_input(str(error).splitlines()) from None
    seed = randbelow(_SEEDS) if scenario.seed is None else scenario.seed
    if not check:
        return _simulate(scenario, seed, f"Seed {seed}. ")
    _build(scenario, seed)
    for system in scenario.systems:
        print(f"{system.name}\t{system.preset}\t{system.host}:{system.port or 'a free port'}")
    print_status(f"{file} is valid")
    return ExitCode.SUCCESS


def print_scenario_schema() -> int:
    """Run `southbound simulate --schema`."""
    print_content(scenario_schema())
    return ExitCode.SUCCESS


def _simulate(scenario: SimulationScenario, seed: int, seed_notice: str = "") -> int:
    async def run() -> None:
        await run_systems(_build(scenario, seed), _stop_event(), partial(_print_addresses, seed_notice))

    try:
        asyncio.run(run())
    except (CannotListenError, DefinitionMissingError) as error:
        raise unreachable(str(error)) from None
    return ExitCode.SUCCESS


def _build(scenario: SimulationScenario, seed: int) -> Sequence[StartableSystem]:
    try:
        return build_systems(scenario, seed, os.environ)
    except SecretMissingError as error:
        raise invalid_input(str(error).splitlines()) from None


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _print_addresses(notice: str, systems: Sequence[StartableSystem]) -> None:
    for system in systems:
        print(f"{system.name}\t{system.base_url}", flush=True)
    received = "Requests that a system of TMF653 received: GET /_simulator/received on its port"
    print_status(f"{notice}Ctrl-C stops them. {received}")
