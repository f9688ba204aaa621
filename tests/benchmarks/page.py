"""Write measured tables into `docs/benchmarks.md`, each between two marks; the text around them stays."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.benchmarks.path.measure_arm import Arm, Measurement

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def replace_section(name: str, text: str) -> None:
    """Replace the text between `<!-- name -->` and `<!-- /name -->`.

    Raises:
    ValueError: the page has no such section.
    """
    page = PAGE.read_text()
    pattern = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"{PAGE.name} has no section {name}: put '<!-- {name} -->' and '<!-- /{name} -->' into it")
    PAGE.write_text(pattern.sub(lambda _: text.rstrip("\n") + "\n", page))


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are right-aligned figures."""
    line = "|---|" + "--:|" * (len(head) - 1)
    return "\n".join([_table_line(head), line, *map(_table_line, rows)]) + "\n"


def comparison_table(measurements: Sequence[Measurement], arms: Sequence[Arm]) -> str:
    """Return the comparison of the arms, one row per arm and latency."""
    head = (
        "arm",
        "latency",
        "runs/s",
        "lowest to highest",
        "CPU-s per 1,000",
        "yardstick",
        "Southbound = 1",
    )
    latencies = sorted({measurement.latency for measurement in measurements})
    rows = [_row(arm, latency, measurements, arms[0]) for latency in latencies for arm in arms]
    return markdown_table(head, [row for row in rows if row])


def guarantees_text(arms: Sequence[Arm]) -> str:
    """Return what each arm guarantees."""
    return "".join(f"- **{arm.name}**: {arm.guarantee}.\n" for arm in arms)


def _row(arm: Arm, latency: float, measurements: Sequence[Measurement], first: Arm) -> tuple[str, ...]:
    own = [measurement for measurement in measurements if (measurement.arm, measurement.latency) == (arm.name, latency)]
    reference_rates = [
        measurement.rate
        for measurement in measurements
        if (measurement.arm, measurement.latency) == (first.name, latency)
    ]
    if not own or not reference_rates:
        return ()
    rates = [measurement.rate for measurement in own]
    return (
        arm.name,
        f"{latency * 1000:g} ms",
        f"**{median(rates):,.0f}**",
        f"{min(rates):,.0f} to {max(rates):,.0f}",
        f"{median(measurement.cpu_per_thousand for measurement in own):.3f}",
        f"{median(measurement.yardstick for measurement in own):.1f} µs",
        f"{median(rates) / median(reference_rates):.2f}",
    )


def _table_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
