"""Describe the machine of a measurement and the disturbance by other processes."""

from __future__ import annotations

import os
import platform
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACKAGES = ("confluent-kafka", "aiohttp", "uvloop", "pydantic", "SQLAlchemy", "faststream")


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Bind this process to one core while the block runs."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def yardstick(core: int) -> float:
    """Return the CPU microseconds of a fixed piece of Python on a core at this moment.

    CPU time grows when neighbours use the caches or the other half of a core. A figure is only as accurate as this one.
    """
    with on_core(core):
        began = time.thread_time()
        for _ in range(20_000):
            _fixed_workload()
        return (time.thread_time() - began) / 20_000 * 1e6


def _fixed_workload() -> int:
    total = 0
    for word, number in _WORKLOAD.items():
        total += len(word) + number
    return total


_WORKLOAD = {str(number): number for number in range(50)}


def describe_machine(package_names: Sequence[str] = PACKAGES) -> str:
    """Return one sentence about the machine and the versions of the measured packages."""
    packages = ", ".join(f"{name} {version(name)}" for name in package_names)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {_processor_name()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, {packages}."
    )


def command_line() -> str:
    """Return the command as it is typed at the root of the sources."""
    script = Path(sys.argv[0]).resolve().relative_to(Path(__file__).parents[2])
    return " ".join(["python", str(script), *sys.argv[1:]])


def print_progress(sentence: str) -> None:
    """Print the progress of a measurement at once."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def _processor_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
