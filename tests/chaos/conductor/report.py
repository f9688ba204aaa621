"""Write what a scenario showed as JSON and as a row of a Markdown table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import orjson

from tests.chaos.conductor.oracle import Breach
from tests.chaos.conductor.soak import judge_flatness

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.chaos.conductor.scenarios import ChaosScenario
    from tests.chaos.conductor.soak import SoakSample
    from tests.chaos.conductor.world import World

COLUMNS = (
    "scenario",
    "seed",
    "store",
    "nodes",
    "events",
    "records",
    "runs",
    "kills",
    "pauses",
    "broker_restarts",
    "lost",
    "reordered",
    "unexplained_second_posts",
    "other_violations",
    "seconds",
)
REORDERED = (Breach.REORDERED, Breach.CHILD_BEFORE_PARENT, Breach.REVISION_FELL)
UNEXPLAINED = (Breach.UNEXPLAINED_POST, Breach.CREATED_TWICE, Breach.CHANGED_POST)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosReport:
    """The figures of one scenario."""

    scenario: str
    seed: int
    command: str
    store: str
    nodes: int
    workers: int
    events: int  # lifecycle records
    records: int = 0  # of all topics: events, commands, reports, updates, results; 0 in reports that did not count them
    runs: int
    seconds: float
    kills: int
    pauses: int
    broker_restarts: int
    lost: int
    reordered: int
    unexplained_second_posts: int
    other_violations: int
    counts: dict[str, int]
    faults: dict[str, int]
    violations: dict[str, list[str]]
    log: list[str]
    flatness: dict[str, dict[str, object]]
    samples: list[dict[str, object]]

    @classmethod
    def of(
        cls,
        world: World,
        scenario: ChaosScenario,
        command: str,
        *,
        seconds: float,
        records: int,
        samples: Sequence[SoakSample],
    ) -> ChaosReport:
        """Return the report of a world that is quiet again."""
        breaches = world.oracle.breaches
        named = (Breach.LOST, *REORDERED, *UNEXPLAINED)
        return cls(
            scenario=scenario.name,
            seed=world.seed,
            command=command,
            store=world.setup.store,
            nodes=world.setup.nodes,
            workers=len(world.workers),
            events=world.published,
            records=records,
            runs=len(world.oracle.expected),
            seconds=round(seconds, 1),
            kills=world.counts["kills"],
            pauses=world.counts["pauses"],
            broker_restarts=world.counts["broker restarts"],
            lost=breaches[Breach.LOST],
            reordered=sum(breaches[kind] for kind in REORDERED),
            unexplained_second_posts=sum(breaches[kind] for kind in UNEXPLAINED),
            other_violations=sum(count for kind, count in breaches.items() if kind not in named),
            counts=dict(sorted((world.counts + world.oracle.counts).items())),
            faults=_total_faults(world),
            violations={str(kind): words for kind, words in world.oracle.named.items()},
            log=world.log,
            flatness=judge_flatness(samples),
            samples=[asdict(sample) for sample in samples],
        )

    @property
    def is_clean(self) -> bool:
        """Whether there is no violation, and everything that was sampled stayed flat."""
        return not self.violations and all(verdict["flat"] for verdict in self.flatness.values())

    def write(self, folder: Path) -> Path:
        """Write the JSON file and the Markdown page, and return the path of the former."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.scenario}-{self.seed}.json"
        file.write_bytes(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2) + b"\n")
        file.with_suffix(".md").write_text(self.as_markdown())
        return file

    def as_markdown(self) -> str:
        """Return the report as a page."""
        lines = [f"# {self.scenario}, seed {self.seed}", "", f"`{self.command}`", "", *markdown_table([self]), ""]
        lines += [f"- {name}: {count}" for name, count in self.counts.items()]
        lines += [f"- fault {name}: {count}" for name, count in self.faults.items()]
        for name, verdict in self.flatness.items():
            judged = "flat" if verdict["flat"] else "NOT FLAT"
            lines.append(f"- {name}: {verdict['first']} → {verdict['last']}, {judged}")
        for kind, words in self.violations.items():
            lines += ["", f"## Violation: {kind}", "", *(f"- {each}" for each in words)]
        return "\n".join(lines) + "\n"


def read_reports(folder: Path) -> list[ChaosReport]:
    """Read the reports that `write` left in a folder, in the order of their names."""
    return [ChaosReport(**orjson.loads(file.read_bytes())) for file in sorted(folder.glob("*.json"))]


def totals(reports: Sequence[ChaosReport]) -> dict[str, int]:
    """Return what all reports together show."""
    return {name.replace("_", " "): sum(getattr(report, name) for report in reports) for name in COLUMNS[4:-1]}


def markdown_table(reports: Sequence[ChaosReport]) -> list[str]:
    """Return a table with one row for each report."""
    names = [name.replace("_", " ") for name in COLUMNS]
    rows = [
        [
            f"{getattr(report, name):,}" if name in ("events", "records", "runs") else str(getattr(report, name))
            for name in COLUMNS
        ]
        for report in reports
    ]
    return [f"| {' | '.join(cells)} |" for cells in (names, ["---"] * len(COLUMNS), *rows)]


def _total_faults(world: World) -> dict[str, int]:
    total: dict[str, int] = {}
    for system in world.systems.values():
        for fault, count in system.injected.items():
            total[str(fault)] = total.get(str(fault), 0) + count
    return dict(sorted(total.items()))
