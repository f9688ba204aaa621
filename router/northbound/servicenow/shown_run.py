"""Write a run as ServiceNow's Service Test Management Open API shows it, with the differences that writeback knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.northbound.writeback import WritableRun, whole_body
from schemas.results import ReportedMeasure
from schemas.vocabulary import MeasureIdOrigin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.northbound.order import RunView
    from router.northbound.writeback import Body, TargetFormat
    from schemas.run_document import RequestedMeasure


def shown_run(view: RunView, form: TargetFormat, client: str) -> Body:
    """Return a run as `client` sees it."""
    row, document = view.row, view.document
    return whole_body(
        form,
        WritableRun(
            run_id=view.run_id,
            shown_id=shown_id(view, client),
            document=document,
            state=view.state,
            ended_at=row.finished_at if row is not None and view.has_ended else document.end_date_time,
            measures=[*_measures(view)],
        ),
    )


def with_type(shown: Body) -> Body:
    """Return a run with the type that ServiceNow does not show, so that a client which sends it loses nothing."""
    return {"@type": "ServiceTest", **shown}


def shown_id(view: RunView, client: str) -> str:
    """Return the external id, if this client ordered the run under one, else the id of the run: the sys_id here."""
    order = view.order
    if order is None or order.client != client or order.external_id is None:
        return view.run_id
    return order.external_id


def _measures(view: RunView) -> Iterator[ReportedMeasure]:
    """Yield the requested measures in their order, with what was reported, and then the others that were reported."""
    reported = {measure.id: measure for measure in (view.row.measures if view.row is not None else ())}
    for requested in view.document.test_measure:
        measure_id = requested.id or requested.definition_id
        if measure_id:
            yield _measure(requested, reported.pop(measure_id, None), measure_id)
    yield from reported.values()


def _measure(requested: RequestedMeasure, reported: ReportedMeasure | None, measure_id: str) -> ReportedMeasure:
    own = {
        "metric_name": requested.metric_name,
        "metric_href": requested.metric_href,
        "unit_of_measure": requested.unit_of_measure,
    }
    if reported is None:
        return ReportedMeasure.model_validate({"id": measure_id, "id_origin": MeasureIdOrigin.REPORTED, **own})
    names = {name: value for name, value in own.items() if value is not None}
    # The unit of a value is the one that was reported with it.
    if reported.unit_of_measure is not None:
        names.pop("unit_of_measure", None)
    return reported.model_copy(update=names)
