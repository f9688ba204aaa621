"""The page about the profiles of targets: their fields, and the HTTP that is sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from consumers.northbound.writeback.target import WritebackTarget
from consumers.northbound.writeback.target_calls import TargetCalls
from consumers.spokes.http_client import SpokeClient
from docs.generate.markdown import table
from docs.generate.profiles import DECISION, NOON, RUN, RequestRecorder, field_rows, request_text
from router.northbound.writeback import TargetDialect
from router.runs.run import RunRow
from schemas.results import ReportedMeasure, RuleViolation
from schemas.vocabulary import MeasureIdOrigin, Phase, Result, RunState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumers.spokes.port import Call

INTRODUCTION = """# Profiles of targets

A target is a system whose table of test runs the role `writeback` keeps up to date. Its profile is one YAML file in the
folder `writeback.targets`; every field but `name` and `base_url` has a default. An unknown field is a mistake, and
`southbound config check` reports every mistake in all of them, with its line. How to set one up:
[connect a ServiceNow instance](how-to/connect-a-servicenow-instance.md).

```yaml
name: service-desk
base_url: https://acme.service-now.com/api/sn_sprb_mgmt/servicetestmanagement
auth: {kind: basic, username: southbound, password: env:SOUTHBOUND_SECRET_SERVICE_DESK}
```

Credentials, timeouts, retries, limits and the circuit breaker mean the same as in the
[profile of a spoke](profiles.md); where that says that a run becomes `fallout`, the event becomes a dead letter here.

## Fields

"""
REQUESTS = """
## The HTTP that is sent

A run is changed with PATCH. If the target answers 404, the run is created with POST. Every request carries the headers
shown here, `Host`, and the credentials of `auth`. The code writes these examples.

"""


def page() -> str:
    """Return the text of the page."""
    fields = table(("field", "kind", "default", "meaning"), field_rows(WritebackTarget))
    return INTRODUCTION + fields + REQUESTS + asyncio.run(_examples())


async def _examples() -> str:
    shown = []
    for dialect in TargetDialect:
        target = WritebackTarget(name="service-desk", base_url="https://desk.example/api", dialect=dialect)
        recorder = RequestRecorder()
        client = SpokeClient([target], {}, lambda _, recorder=recorder: recorder)  # type: ignore[misc] # as the last one
        for title, call in _calls(target):
            await client.call(target.name, call)
            shown.append(f"{title}, `dialect: {dialect}`:\n\n```http\n{request_text(recorder.requests[-1])}\n```\n")
    return "\n".join(shown)


def _calls(target: WritebackTarget) -> Iterator[tuple[str, Call]]:
    calls = TargetCalls(target)
    yield "The end of a run", calls.update(ENDED, ENDED.run_id)
    yield "A run that the target does not have", calls.create(ENDED)
    if look_up := calls.look_up(ENDED):
        yield "The look-up of a POST with unknown outcome", look_up


MEASURE = ReportedMeasure(
    id="TM-1",
    id_origin=MeasureIdOrigin.REPORTED,
    metric_name="opticalRxPower",
    value=-31.5,
    unit_of_measure="dBm",
    capture_date_time=NOON,
    rule_violation=(
        RuleViolation(
            name="weak signal",
            severity="High",
            conformance_target_lower="-28",
            conformance_comparator_lower=">",
            consequence="send a technician",
        ),
    ),
)
ENDED = RunRow(
    run_id=RUN.run_id,
    root_run_id=RUN.run_id,
    parent_run_id=None,
    tenant=None,
    request_id="RQ0001",
    spoke="fibre-lab",
    decision=DECISION,
    phase=Phase.FULFILLED,
    state=RunState.COMPLETED,
    result=Result.FAIL,
    external_id="89757",
    requested=RUN,
    measures=(MEASURE,),
    created_at=NOON,
    finished_at=NOON,
    updated_at=NOON,
    revision=4,
)
