"""Measure the whole path beside other implementations, in one run, each on the same core."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from southbound.broker.jvm import jvm_broker
from tests.benchmarks.machine import command_line, describe_machine, print_progress
from tests.benchmarks.page import comparison_table, guarantees_text, markdown_table, replace_section
from tests.benchmarks.path.measure_arm import Arm, BenchmarkEnvironment, Measurement
from tests.benchmarks.path.profile_by_part import by_function, by_part
from tests.benchmarks.path.system_process import system_process

ARMS = (
    Arm(
        name="Southbound",
        module="tests.benchmarks.arms.southbound",
        guarantee="at least once, in order per root run; two Kafka hops; every step is stored before it is published; "
        "a POST of unknown outcome is looked up before it is repeated; results are acknowledged before the offset is "
        "committed",
    ),
    Arm(
        name="FastStream",
        module="tests.benchmarks.arms.faststream",
        guarantee="at most once, because its only way to work on many records at once commits their offsets before "
        "the work; no order per key; one hop, nothing stored, nothing decided",
    ),
    Arm(
        name="naive loop",
        module="tests.benchmarks.arms.naive",
        guarantee="each event POSTed at least once, in order per partition; a result may be lost, because its offset "
        "is committed without waiting for the result's acknowledgement; one hop, nothing stored, nothing decided",
        share=0.05,
    ),
    Arm(
        name="bare I/O",
        module="tests.benchmarks.arms.bare",
        guarantee="none, and it has no use: it takes two Kafka hops, stores, POSTs and publishes as often as "
        "Southbound does, in batches, but decodes, decides and checks nothing. It is what the libraries alone cost",
    ),
)
MIN_EVENTS = 200  # events of an arm with only a share of them


def main() -> None:
    """Measure all arms, print the results and write the page."""
    arguments = _parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything that was started is stopped
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {arguments.core} or {arguments.core})
    with ExitStack() as stack:
        broker = stack.enter_context(jvm_broker(print_progress))
        ground = BenchmarkEnvironment(
            bootstrap=broker.bootstrap, system=stack.enter_context(system_process()), core=arguments.core
        )
        measured = _measure_arms(ground, arguments)
        steps = ground.measure_steps()
        profile = _profile(ground, arguments.events)
    print_progress(comparison_table(measured, ARMS))
    print_progress(steps)
    print_progress(profile)
    if arguments.write:
        _write_page(measured, steps, profile)


def _measure_arms(environment: BenchmarkEnvironment, arguments: argparse.Namespace) -> list[Measurement]:
    measured: list[Measurement] = []
    for _ in range(arguments.rounds):  # interleaved, so that a disturbance affects all arms
        for latency in arguments.latency:
            for arm in ARMS:
                measured.append(
                    environment.measure(arm, latency / 1000, max(MIN_EVENTS, int(arguments.events * arm.share)))
                )
                print_progress(measured[-1].sentence)
    return measured


def _profile(environment: BenchmarkEnvironment, events: int) -> str:
    """Run the service once more under py-spy; return "" if py-spy is not available, and the page keeps its profile."""
    if shutil.which("py-spy") is None:
        return ""
    with tempfile.NamedTemporaryFile() as samples:
        environment.measure(ARMS[0], 0.01, events, profile=Path(samples.name))
        parts, functions = by_part(Path(samples.name)), by_function(Path(samples.name), 15)
    return "\n".join(
        markdown_table((name, "share of samples"), [(what, f"{share:.1%}") for what, share in shares])
        for name, shares in (("part", parts), ("function, itself", functions))
    )


def _write_page(measurements: list[Measurement], steps: str, profile: str) -> None:
    replace_section(
        "whole-path", f"{describe_machine()}\n\n`{command_line()}`\n\n{comparison_table(measurements, ARMS)}"
    )
    replace_section("guarantees", guarantees_text(ARMS))
    replace_section("steps", steps)
    if profile:
        replace_section("profile", profile)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000, help="runs per measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each arm; the median counts")
    parser.add_argument("--latency", type=float, nargs="+", default=[0.0, 10.0], help="of the external system, in ms")
    parser.add_argument("--core", type=int, default=min(os.sched_getaffinity(0)), help="the core of the arm")
    parser.add_argument("--write", action=argparse.BooleanOptionalAction, default=True, help="docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
