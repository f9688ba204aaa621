"""Write measures with the types that TMF653 v5.0 requires."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.characteristic_types import characteristic_type
from southbound.simulator.measures import objects_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.text.json_types import Json


def typed_measures(measures: Iterable[Json]) -> list[Json]:
    """Return the measures, each object with its `@type`."""
    return [_typed(measure) for measure in measures]


def _typed(measure: Json) -> Json:
    typed: Json = {**measure, "@type": "TestMeasure"}
    value = measure.get("value")
    if isinstance(value, dict):
        typed["value"] = {**value, "@type": characteristic_type(value.get("value"))}
    if violations := objects_in(measure, "ruleViolation"):
        typed["ruleViolation"] = [_typed_violation(violation) for violation in violations]
    return typed


def _typed_violation(violation: Json) -> Json:
    applied = [{**each, "@type": "AppliedConsequence"} for each in objects_in(violation, "appliedConsequence")]
    return {**violation, "appliedConsequence": applied, "@type": "MeasureThresholdRuleViolation"}
