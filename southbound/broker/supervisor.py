"""Run one server for as long as the process that started it lives, and clean up after it.

Started by path with a bare interpreter: `python -I -S supervisor.py ORDER`, where ORDER is JSON:
`run` (the server's command), `afterwards` (a cleanup command, or empty) and `folder` (to remove, or null).
Its standard input is a pipe from the parent process: when that ends, for whatever reason, the server is stopped.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading

TERMINATION_TIMEOUT = 20.0  # seconds between SIGTERM and SIGKILL


def main() -> int:
    """Run the server of the order until it ends or the parent process is gone; return its exit code."""
    order = json.loads(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Only the end of the pipe stops it. A handler, because the server would inherit SIG_IGN.
        signal.signal(number, lambda *_: None)
    server = subprocess.Popen(order["run"], stdin=subprocess.DEVNULL)  # noqa: S603 - the command comes from the parent process
    threading.Thread(target=_stop_with_parent, args=(server,), daemon=True).start()
    code = server.wait()
    _clean_up(order["afterwards"], order["folder"])
    return code


def _clean_up(cleanup_command: list[str], folder: str | None) -> None:
    if cleanup_command:
        subprocess.run(cleanup_command, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603 - as above
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def _stop_with_parent(server: "subprocess.Popen[bytes]") -> None:
    # Not sys.stdin: a waiting thread would hold its lock and break the interpreter's shutdown.
    os.read(0, 1)
    server.terminate()
    try:
        server.wait(TERMINATION_TIMEOUT)
    except subprocess.TimeoutExpired:
        server.kill()


if __name__ == "__main__":
    sys.exit(main())
