"""The page about metrics."""

from __future__ import annotations

from consumers.metrics import BUCKET_BOUNDS, METRICS
from docs.generate.markdown import table
from docs.generate.roles import group_names

INTRODUCTION = """# Metrics

`GET /metrics` on the health port (`health.port`, 8709) returns these metrics in the text format of Prometheus. The list
is complete: dashboards and alerts can rely on these names. The label `role` is one of {roles};
a source with several clusters has a number for each: `ingress.<source>.<number>`.

"""
AFTER = """
Histograms are in seconds, with the bounds {bounds};
each has the series `_bucket`, `_sum` and `_count`.

## What to monitor

- **No progress**: `southbound_records_awaiting_retry` grows, and `southbound_record_attempts_total{{outcome="done"}}`
  does not. The label `code` of `southbound_problems_total` names the problem.
- **A system is down**: `southbound_calls_total{{outcome="transient"}}` of one spoke rises. Its records
  wait; nothing is lost.
- **A person has to act**: `southbound_record_attempts_total{{outcome="dead_letter"}}` or
  `southbound_problems_total{{code="DEAD_LETTER_LIMIT_REACHED"}}` rises.
- **Kafka is slow**: `southbound_commit_seconds` rises.
- **Lag** is not among these metrics: read the lag of the consumer groups (`<kafka.group>.<role>`) from Kafka.
"""


def page() -> str:
    """Return the text of the page."""
    rows = [
        (f"`{one.name}`", one.kind.__name__.lower(), ", ".join(f"`{label}`" for label in one.labels), one.meaning)
        for one in METRICS
    ]
    bounds = ", ".join(f"{bound:g}" for bound in BUCKET_BOUNDS)
    roles = ", ".join(f"`{name}`" for name in group_names())
    return (
        INTRODUCTION.format(roles=roles)
        + table(("metric", "kind", "labels", "meaning"), rows)
        + AFTER.format(bounds=bounds)
    )
