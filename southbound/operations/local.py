"""Keep a local Kafka, or the simulated external systems, until somebody stops them."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from southbound.broker.broker import BrokerUnavailableError
from southbound.broker.open_broker import open_broker
from southbound.cli.exit_codes import Exit, not_reachable
from southbound.operations.console import say

if TYPE_CHECKING:
    from pathlib import Path

    from southbound.settings.settings import Settings


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
    return Exit.DONE


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
