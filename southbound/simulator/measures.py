"""Fill the requested measures of a test with values."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from schemas.text.json_types import Json
    from southbound.simulator.behaviours import Behaviour


VIOLATION: Json = {
    "name": "tooSlow",
    "description": "The value is outside the agreed range.",
    "conformanceTargetUpper": "1",
    "conformanceComparatorUpper": "greater than",
    "thresholdRuleSeverity": "high",
    "appliedConsequence": [{"name": "ticket", "description": "A ticket was opened.", "repeatAction": False}],
}


def objects_in(resource: Json, field: str) -> list[Json]:
    """Return the objects in a list field, or an empty list if it is missing."""
    items = resource.get(field)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def fill_measures(resource: Json, behaviour: Behaviour, changed: str | None, at: datetime) -> list[Json]:
    """Return the requested measures with values; `changed` is the characteristic that was changed last."""
    requested = objects_in(resource, "testMeasure")
    if not requested and (behaviour.echo_characteristics or behaviour.violate_threshold):
        requested = [{"metricName": changed or "outcome"}]
    echo = _Echo(objects_in(resource, "characteristic"), changed) if behaviour.echo_characteristics else None
    filled = [_with_value(measure, behaviour, echo, at) for measure in requested]
    if behaviour.violate_threshold:
        filled[0]["ruleViolation"] = [VIOLATION]
    return filled


def _with_value(measure: Json, behaviour: Behaviour, echo: _Echo | None, at: datetime) -> Json:
    metric = str(measure.get("metricName", ""))
    value = {"name": metric, "value": measured_value(metric, behaviour, echo)}
    return {**measure, "value": value, "captureDateTime": at.isoformat(), "captureMethod": "automatic"}


def measured_value(metric: str, behaviour: Behaviour, echo: _Echo | None = None) -> object:
    """Return the value that a test measures for a metric."""
    if metric in behaviour.values:
        return behaviour.values[metric]
    if echo is not None and (echoed := echo.value_of(metric)) is not None:
        return echoed
    # The same metric always has the same value, so that a repeated demo shows the same numbers.
    return 10 + crc32(metric.encode()) % 9000 / 100


class _Echo:
    """Returns the values of characteristics as measured values."""

    def __init__(self, characteristics: Iterable[Json], changed: str | None) -> None:
        self._values = {str(c.get("name")): c.get("value") for c in characteristics}
        self._first = changed if changed in self._values else next(iter(self._values), None)

    def value_of(self, metric: str) -> object:
        return self._values.get(metric, self._values.get(self._first) if self._first else None)
