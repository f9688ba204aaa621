"""The tables of what began at the service desk: the exchange over HTTP, and the records of its instance at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never, cast

from rich.table import Table
from rich.text import Text

from southbound.demo.screen import state_text
from southbound.demo.service_desk import API_VERSION, DeskStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import RenderableType

    from schemas.text.json_types import JsonMapping
    from southbound.demo.expectations import Scenario
    from southbound.demo.service_desk import DeskLog, Exchange
    from southbound.simulator.instance.run_table import RunRecord, RunTable

_ERROR = 400  # statuses of errors begin here


def desk_table(scenarios: Sequence[Scenario], desk_log: DeskLog) -> RenderableType:
    """Return a table with every request of the service desk, and every notification that it received."""
    table = Table(title=f"The service desk over HTTP, below {API_VERSION.base}", title_justify="left")
    for column in ("run", "request → or notification ←", "status", "what it says"):
        table.add_column(column, no_wrap=column in ("run", "status"), overflow="fold")
    for own_id in (scenario.runs[0] for scenario in scenarios if scenario.desk_order is not None):
        for number, exchange in enumerate(desk_log.of(own_id)):
            status = Text(str(exchange.status or "none"), style="" if 0 < exchange.status < _ERROR else "red")
            table.add_row("" if number else own_id, _message(exchange), status, _content(exchange))
        table.add_section()
    return table


def _message(exchange: Exchange) -> str:
    match exchange.step:
        case DeskStep.ORDER:
            return "→ POST /serviceTest"
        case DeskStep.READ:
            return "→ GET  /serviceTest/{id}, at once"
        case DeskStep.REPEAT:
            return "→ POST /serviceTest, same Idempotency-Key"
        case DeskStep.NOTIFIED:
            return f"← {exchange.event_type}"
        case DeskStep.READ_RESULT:
            return "→ GET  /serviceTest/{id}"
        case _:
            assert_never(exchange.step)


def _content(exchange: Exchange) -> Text:
    if not exchange.state:
        return Text(str(exchange.run.get("message", "")), style="red")
    return Text.assemble(state_text(exchange.state), *_details(exchange))


def _details(exchange: Exchange) -> Iterator[str]:
    match exchange.step:
        case DeskStep.ORDER:
            yield f", id {exchange.run_id}"
        case DeskStep.REPEAT:
            yield ", the same run" if exchange.is_replayed else ", another run"
        case DeskStep.NOTIFIED:
            yield ", signature verified" if exchange.is_signed else ", wrong signature"
        case DeskStep.READ_RESULT:
            measures = [f"{each.get('metricName')} {_value(each)}" for each in exchange.measures()]
            yield f": {', '.join(measures)}"
        case DeskStep.READ:
            pass
        case _:
            assert_never(exchange.step)


def record_table(records: RunTable) -> RenderableType:
    """Return the table of test runs of the instance: a line for each measure."""
    table = Table(title="The table of test runs of the ServiceNow instance", title_justify="left")
    for column in ("record", "states", "measure id", "metric", "value", "violated threshold"):
        table.add_column(column, no_wrap=column in ("record", "measure id", "value"), overflow="fold")
    for record in records.records:
        for number, measure in enumerate(record.measures().values()):
            named = ("", "") if number else (record.sys_id, _states(record))
            value = Text(_value(measure), style="red" if measure.get("ruleViolation") else "green")
            table.add_row(*named, measure["id"], measure.get("metricName", ""), value, _violations(measure))
        table.add_section()
    return table


def _states(record: RunRecord) -> Text:
    return Text(" → ").join([state_text(state) for state in record.states])


def _value(measure: JsonMapping) -> str:
    """Return the value of a measure, which is a text or a characteristic, with its unit."""
    found = measure.get("value")
    value = found.get("value") if isinstance(found, dict) else found
    return f"{value} {measure.get('unitOfMeasure', '')}".strip() if value is not None else "none"


def _violations(measure: JsonMapping) -> str:
    return "; ".join(map(_violation, cast("Iterable[JsonMapping]", measure.get("ruleViolation", ()))))


def _violation(violation: JsonMapping) -> str:
    consequences = cast("Iterable[JsonMapping]", violation.get("appliedConsequence", ()))
    names = "".join(f", consequence: {each.get('name')}" for each in consequences)
    return f"{violation.get('name')} ({violation.get('thresholdRuleSeverity')}){names}"
