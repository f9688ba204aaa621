"""Write measured tables into `docs/benchmarks.md`, each between its two marks; what people wrote stays."""

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
    """Put a text between `<!-- name -->` and `<!-- /name -->`.

    Raises:
        ValueError: the page has no such section.
    """
    page = PAGE.read_text()
    pattern = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"{PAGE.name} has no section {name}: put '<!-- {name} -->' and '<!-- /{name} -->' into it")
    PAGE.write_text(pattern.sub(lambda _: text.rstrip("\n") + "\n", page))


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table; all columns but the first are figures."""
    line = "|---|" + "--:|" * (len(head) - 1)
    return "\n".join([_table_line(head), line, *map(_table_line, rows)]) + "\n"


def comparison_table(measurements: Sequence[Measurement], arms: Sequence[Arm]) -> str:
    """Write the comparison of the arms, one row for each and latency."""
    head = (
        "arm",
        "latency",
        "runs/s",
        "lowest to highest",
        "CPU-s per 1,000",
        "yardstick",
        "Southbound = 1",
    )
    latencies = sorted({one.latency for one in measurements})
    rows = [_row(arm, latency, measurements, arms[0]) for latency in latencies for arm in arms]
    return markdown_table(head, [row for row in rows if row])


def guarantees_text(arms: Sequence[Arm]) -> str:
    """Name what each arm promises for these figures."""
    return "".join(f"- **{arm.name}**: {arm.guarantee}.\n" for arm in arms)


def _row(arm: Arm, latency: float, measurements: Sequence[Measurement], first: Arm) -> tuple[str, ...]:
    mine = [one for one in measurements if (one.arm, one.latency) == (arm.name, latency)]
    theirs = [one.rate for one in measurements if (one.arm, one.latency) == (first.name, latency)]
    if not mine or not theirs:
        return ()
    rates = [one.rate for one in mine]
    return (
        arm.name,
        f"{latency * 1000:g} ms",
        f"**{median(rates):,.0f}**",
        f"{min(rates):,.0f} to {max(rates):,.0f}",
        f"{median(one.cpu_per_thousand for one in mine):.3f}",
        f"{median(one.yardstick for one in mine):.1f} µs",
        f"{median(rates) / median(theirs):.2f}",
    )


def _table_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
