"""Builders of test specifications: a test writes only what matters to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from router.specifications.definition import read_specification

if TYPE_CHECKING:
    from schemas.run_document import AppliedSpecification


def a_definition(measure_id: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a definition
    """Return a measure definition with the metric name `metric <id>`."""
    return {"id": measure_id, "metricName": f"metric {measure_id}", **more}


def a_specification_document(
    spec: str = "fibre-line",
    *measures: str | dict[str, Any],
    **more: Any,  # noqa: ANN401 - any further field
) -> dict[str, Any]:
    """Return a `ServiceTestSpecification`. `measures` are definitions, or their ids."""
    definitions = [a_definition(one) if isinstance(one, str) else one for one in measures]
    return {
        "id": spec,
        "name": f"Specification {spec}",
        "relatedServiceSpecification": [{"id": "broadband"}],
        "testMeasureDefinition": definitions,
        **more,
    }


def a_specification(
    spec: str = "fibre-line",
    *measures: str | dict[str, Any],
    revision: int = 1,
    **more: Any,  # noqa: ANN401 - any further field
) -> AppliedSpecification:
    """Return what a run takes from such a specification."""
    return read_specification(a_specification_document(spec, *measures, **more), revision)
