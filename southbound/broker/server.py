"""Start a Kafka node under its keeper, wait for it, and end it with what it left behind."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from southbound.broker.broker import BrokerUnavailableError
from southbound.broker.ready import wait_until_ready

START = 60.0  # seconds a node may take
LAST_WORDS = 1500  # characters of its log in an error


@contextmanager
def serve(
    command: Sequence[str | Path],
    *,
    bootstrap: str,
    log: Path,
    afterwards: Sequence[str] = (),
    throw_away: Path | None = None,
) -> Iterator[None]:
    """Run a Kafka node while the block runs; it ends with this process, even by kill -9.

    Args:
        command: what starts the node in the foreground.
        bootstrap: where it will listen.
        log: the file that gets what it prints.
        afterwards: a command that tidies up when the node has ended.
        throw_away: a folder to remove then.

    Raises:
        BrokerUnavailableError: the node does not get ready; the message ends with its last words.
    """
    keeper = _start_keeper(command, log, afterwards, throw_away)
    try:
        _wait(keeper, bootstrap, log)
        yield
    finally:
        _end(keeper)


def _start_keeper(
    command: Sequence[str | Path], log: Path, afterwards: Sequence[str], throw_away: Path | None
) -> "subprocess.Popen[bytes]":
    order = {
        "run": [str(word) for word in command],
        "afterwards": list(afterwards),
        "folder": str(throw_away) if throw_away else None,
    }
    keeper = Path(__file__).with_name("keeper.py")
    with log.open("ab") as out:
        return subprocess.Popen(  # noqa: S603 - our own keeper
            [sys.executable, "-I", "-S", keeper, json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            # Ctrl-C reaches us alone; we end the node in our own order.
            start_new_session=True,
        )


def _wait(keeper: "subprocess.Popen[bytes]", bootstrap: str, log: Path) -> None:
    log_of = log.open("rb")  # held open: the keeper may remove the folder when the node ends
    with log_of:
        try:
            wait_until_ready(bootstrap, seconds=START, still_alive=lambda: keeper.poll() is None)
        except BrokerUnavailableError as trouble:
            said = log_of.read().decode(errors="replace").strip()[-LAST_WORDS:]
            raise BrokerUnavailableError(f"{trouble} It said: {said or 'nothing'}") from None


def _end(keeper: "subprocess.Popen[bytes]") -> None:
    if keeper.stdin:
        keeper.stdin.close()
    keeper.wait()
