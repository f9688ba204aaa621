"""Start the command line: SIGTERM is handled before anything is imported that takes time."""

import os
import signal
import sys

# Until stopped by a signal these commands do nothing that could be left unfinished before their own handlers are set.
RUN_UNTIL_STOPPED = ("run", "broker", "simulate", "demo")


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:2] and sys.argv[1] in RUN_UNTIL_STOPPED:
        # As process 1 of a container the signal would otherwise be ignored, and else end the process with 143.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        from southbound.cli.app import main as run_command
    except KeyboardInterrupt:
        sys.exit(130)
    run_command()
