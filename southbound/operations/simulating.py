"""Play the two external systems of the shipped profiles until somebody stops them."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from consumers.inbound.listen_socket import CannotListenError
from southbound.cli.exit_codes import Exit, not_reachable, wrong
from southbound.operations.console import say
from southbound.simulator.definition import DefinitionMissingError
from southbound.simulator.script import ScriptError, demo_script, read_script
from southbound.simulator.serve import serve
from southbound.simulator.system import ExternalSystem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from southbound.settings.settings import Settings
    from southbound.simulator.serve import System

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
    return Exit.DONE


def _stopped() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _tell(systems: Sequence[System]) -> None:
    for system in systems:
        print(f"{system.name}\t{system.base_url}", flush=True)  # noqa: T201 - it was asked for
    say("Ctrl-C ends them. What each was asked: GET /_simulator/received on its port")
