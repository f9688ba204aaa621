"""Conduct chaos: `make chaos ARGS="--scenario churn --seed 7"`.

Without `--scenario`, all scenarios run one after the other. Exit code 1: there was a violation. SIGTERM ends the load,
and what was published until then is judged and reported.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import faulthandler
import random
import shlex
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

from tests.chaos.conductor.catalogue import ELSEWHERE, SCENARIOS, SOAK
from tests.chaos.conductor.conduct import Extent, conduct
from tests.chaos.conductor.report import ChaosReport, markdown_table, read_reports, totals
from tests.chaos.conductor.store_server import StoreKind

FOLDER = Path(".local/chaos")
STOPPING = threading.Event()  # SIGTERM ends the load, and the report is written
START_TIMEOUT = 600.0  # seconds for a broker, a database and topics on a busy machine
CLOSE_TIMEOUT = 180.0


def main() -> int:
    """Run the scenarios that were asked for, print their table, and return the exit code."""
    arguments = _parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: STOPPING.set())
    if arguments.list:
        _list()
        return 0
    if arguments.summary:
        return _summarize(arguments.folder)
    reports = []
    for name in arguments.scenario or ([SOAK] if arguments.soak else [*SCENARIOS]):
        if STOPPING.is_set():
            break
        seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
        report = _conduct(name, seed, arguments)
        reports.append(report)
        _show("\n".join(markdown_table([report])[-1 if len(reports) > 1 else 0 :]))
        if STOPPING.is_set():
            _show("  SIGTERM ended its load early")
        for kind, words in report.violations.items():
            _show("\n".join([f"  VIOLATION {kind}:", *(f"    {each[:1000]}" for each in words)]))
    return 0 if all(report.is_clean for report in reports) else 1


def _conduct(name: str, seed: int, arguments: argparse.Namespace) -> ChaosReport:
    scenario = SCENARIOS[name]
    changes = {"store": arguments.store, "nodes": arguments.nodes, "workers": arguments.workers}
    setup = dataclasses.replace(scenario.setup, **{field: value for field, value in changes.items() if value})
    pause = tuple(arguments.pause) if arguments.pause else scenario.pause
    scenario = dataclasses.replace(scenario, setup=setup, pause=pause)
    extent = Extent(
        events=arguments.events or scenario.events,
        minutes=arguments.minutes,
        rate=arguments.rate or scenario.rate,
        samples=arguments.soak,
        stopping=STOPPING,
    )
    command = _command(name, seed)
    _show(command)

    def keep(report: ChaosReport) -> None:
        _show(f"  {report.write(arguments.folder)}")
        faulthandler.dump_traceback_later(CLOSE_TIMEOUT, exit=True)  # the report is written; nothing else may wait

    with tempfile.TemporaryDirectory(prefix="southbound-chaos-", ignore_cleanup_errors=True) as folder:
        faulthandler.dump_traceback_later(extent.patience.limit + START_TIMEOUT, exit=True)  # if the loop itself hangs
        try:
            return asyncio.run(conduct(scenario, seed, Path(folder), extent, command, show=_show, keep=keep))
        finally:
            faulthandler.cancel_dump_traceback_later()
            if arguments.keep is not None:
                shutil.copytree(folder, arguments.keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("kafka-*"))


def _summarize(folder: Path) -> int:
    reports = read_reports(folder)
    _show("\n".join(markdown_table(reports)))
    _show("\n" + ", ".join(f"{name} {count:,}" for name, count in totals(reports).items()))
    return 0 if all(report.is_clean for report in reports) else 1


def _command(name: str, seed: int) -> str:
    """Return the command that repeats one scenario."""
    words = iter(sys.argv[1:])
    kept = [word for word in words if not (word in ("--seed", "--scenario", "--keep", "--folder") and next(words))]
    return f'make chaos ARGS="{shlex.join(["--scenario", name, "--seed", str(seed), *kept])}"'


def _show(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the output of a command


def _list() -> None:
    for scenario in SCENARIOS.values():
        _show(f"{scenario.name:28} {scenario.group}: {scenario.disturbance}. Expected: {scenario.expectation}")
    for line in ELSEWHERE:
        _show(f"{'(a test)':28} {line.group}: {line.disturbance}. {line.test}")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    parser.add_argument("--summary", action="store_true", help="add up the reports of --folder, and run nothing")
    parser.add_argument("--scenario", action="append", choices=[*SCENARIOS], metavar="NAME", help="may be repeated")
    parser.add_argument("--seed", type=int, help="a fresh one if omitted; it is printed")
    parser.add_argument("--events", type=int, help="lifecycle records to publish")
    parser.add_argument("--minutes", type=float, help="publish for so long instead")
    parser.add_argument("--rate", type=float, help="lifecycle records per second")
    parser.add_argument(
        "--pause", type=float, nargs=2, metavar=("MIN", "MAX"), help="seconds between two disturbances of a kind"
    )
    parser.add_argument("--store", type=StoreKind, choices=[*StoreKind])
    parser.add_argument("--nodes", type=int, choices=[1, 3], help="brokers")
    parser.add_argument("--workers", type=int, help="worker processes, with PostgreSQL")
    parser.add_argument("--soak", action="store_true", help=f"sample what must stay flat; by default of `{SOAK}`")
    parser.add_argument("--keep", type=Path, help="copy logs, settings and the run store there")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for the reports")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
