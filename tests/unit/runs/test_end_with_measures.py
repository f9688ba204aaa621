"""A run of a system without states has ended once its measures have values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from router.runs.advance import advance
from router.runs.events import Reported
from router.runs.reports.report import ExternalMeasure, ExternalReport
from schemas.run_document import RequestedMeasure
from schemas.vocabulary import Phase, RunState
from tests.builders.runs import NOON, a_document, a_run

LOSS, NOISE = (RequestedMeasure(id=name, metric_name=name) for name in ("loss", "noise"))
OPTIONAL = NOISE.model_copy(update={"mandatory": False})


def state_after(
    requested: tuple[RequestedMeasure, ...], measured: tuple[str, ...], state: RunState | None = None
) -> RunState | None:
    document = a_document().model_copy(update={"test_measure": requested})
    row = replace(a_run(phase=Phase.ACCEPTED, document=document))
    measures = tuple(ExternalMeasure(metric_name=name, value="1", has_value=True) for name in measured)
    report = ExternalReport(external_id=row.external_id, measures=measures, state=state)
    return advance(row, (Reported(report_id="r", report=report, ends_with_measures=True),), NOON).row.state


@pytest.mark.parametrize(
    ("requested", "measured", "state"),
    [
        ((LOSS, NOISE), ("loss", "noise"), RunState.COMPLETED),
        ((LOSS, NOISE), ("loss",), RunState.ACKNOWLEDGED),
        ((LOSS, OPTIONAL), ("loss",), RunState.COMPLETED),
        ((OPTIONAL,), (), RunState.ACKNOWLEDGED),
        ((OPTIONAL,), ("noise",), RunState.COMPLETED),
        ((), (), RunState.ACKNOWLEDGED),
        ((), ("anything",), RunState.COMPLETED),
    ],
)
def test_the_end_needs_all_mandatory_measures(
    requested: tuple[RequestedMeasure, ...], measured: tuple[str, ...], state: RunState
) -> None:
    assert state_after(requested, measured) is state


def test_a_reported_failure_counts_more_than_measures() -> None:
    assert state_after((LOSS,), ("loss",), RunState.FAILED) is RunState.FAILED
