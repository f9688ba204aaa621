"""The page about metrics."""

from __future__ import annotations

from consumers.metrics import BUCKET_BOUNDS, METRICS
from docs.generate.markdown import table

INTRODUCTION = """# Metrics

`GET /metrics` on the health port (`health.port`, 8709) gives these numbers in Prometheus' text format. The list is
closed: dashboards and alerts may use these names and no others. `role` is `routing`, `inbound` or `dispatch.<spoke>`.

"""
AFTER = """
Histograms are in seconds, with the bounds {bounds};
Prometheus gets `_bucket`, `_sum` and `_count` of each.

## What to watch

- **Nothing moves**: `southbound_records_awaiting_retry` grows, and `southbound_record_attempts_total{{outcome="done"}}`
  does not. `southbound_problems_total` names the code of the problem.
- **A system is down**: `southbound_calls_total{{outcome="transient"}}` of one spoke rises. Its records
  wait; nothing is lost.
- **Somebody has to look**: `southbound_record_attempts_total{{outcome="dead_letter"}}` rises, or
  `southbound_problems_total{{code="DEAD_LETTER_LIMIT_REACHED"}}` counts.
- **Kafka is slow**: `southbound_commit_seconds` rises.
- **Lag** is the consumer groups' own (`<kafka.group>.<role>`): read it from Kafka, not from here.
"""


def page() -> str:
    """Write it."""
    rows = [
        (f"`{one.name}`", one.kind.__name__.lower(), ", ".join(f"`{label}`" for label in one.labels), one.meaning)
        for one in METRICS
    ]
    bounds = ", ".join(f"{bound:g}" for bound in BUCKET_BOUNDS)
    return INTRODUCTION + table(("metric", "kind", "labels", "meaning"), rows) + AFTER.format(bounds=bounds)
