"""Runs in the shape of ServiceNow's Service Test Management Open API: shown, and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.northbound.api_version import ApiVersion
from router.northbound.change import DocumentWanted, PatchKind, Unchanged, apply_patch, plan_change
from router.northbound.errors import ApiRefusedError
from router.northbound.next_order import OrderCause, new_order
from router.northbound.order import RunView
from router.northbound.resource import to_resource
from router.northbound.service_test_body import BodyReader
from router.northbound.servicenow.list_query import read_list_query
from router.northbound.servicenow.read_body import read_change, read_new_run
from router.northbound.servicenow.shown_run import shown_id, shown_run
from router.northbound.writeback import TargetFormat
from schemas.run_document import RequestedMeasure
from schemas.vocabulary import Phase, RunState
from southbound.simulator.instance.rules import STATES, check_run
from tests.builders.runs import NOON, a_document, a_run
from tests.generators.run_rows import documents, json_values, run_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from router.northbound.change import PatchPlan
    from schemas.run_document import RunDocument

BERLIN = ZoneInfo("Europe/Berlin")
FORM = TargetFormat(zone=BERLIN)
CLIENT = '[null,"desk"]'
READER = BodyReader(version=ApiVersion.V5, tenant=None, run_id_of=lambda own: f"run-{own}", max_depth=4)
BODY: dict[str, Any] = {
    "name": "Speed Test TR0001012",
    "relatedService": {"id": "PI0000011"},
    "testSpecification": {"id": "TD0001"},
}


def ordered(document: RunDocument, external_id: str | None = "sys-1", client: str = CLIENT) -> RunView:
    cause = OrderCause(client=client, traceparent=None, at=NOON, event_id="E1")
    return RunView(row=None, order=new_order(cause, document, external_id))


def changed(view: RunView, body: object) -> PatchPlan:
    resource = to_resource(view, ApiVersion.V5)
    patch = read_change(body, view, shown_run(view, FORM, CLIENT), resource, BERLIN)
    return plan_change(view, resource, apply_patch(resource, patch, ApiVersion.V5, kind=PatchKind.MERGE), READER)


def document_of(body: object) -> RunDocument:
    return READER.read_order(read_new_run(body, BERLIN), "fallback").document


def refusal_of(read: Callable[[], object]) -> ApiRefusedError | None:
    """Return how reading was refused, if it was."""
    try:
        read()
    except ApiRefusedError as refused:
        return refused
    return None


requested_measures = st.lists(st.integers(0, 99), unique=True, max_size=3).map(
    lambda numbers: tuple(RequestedMeasure(id=f"M{n}", metric_name=f"metric {n}", metric_href="urn:m") for n in numbers)
)
ordered_documents = st.builds(
    lambda document, measures: document.model_copy(update={"test_measure": measures, "children": ()}),
    documents(),
    requested_measures,
)


# Showing


@given(run_rows(), requested_measures)
def test_a_strict_instance_would_show_every_run_like_this(row: Any, measures: tuple[RequestedMeasure, ...]) -> None:  # noqa: ANN401 - a row
    document = row.requested.model_copy(update={"test_measure": measures})
    shown = shown_run(RunView(row=row, order=None), FORM, CLIENT)
    waiting = shown_run(ordered(document), FORM, CLIENT)
    for body in (shown, waiting):
        check_run(orjson.loads(orjson.dumps(body)))
        assert body["state"] in STATES
    assert [measure["id"] for measure in waiting.get("testMeasure", [])] == [each.id for each in measures]  # type: ignore[attr-defined] # JSON


def test_a_run_is_shown_under_its_external_id_to_the_client_that_ordered_it_so() -> None:
    view = ordered(a_document("run-1"))
    assert shown_id(view, CLIENT) == "sys-1"
    assert shown_id(view, '[null,"other"]') == "run-1"
    assert shown_id(ordered(a_document("run-1"), None), CLIENT) == "run-1"
    assert shown_id(RunView(row=a_run("run-1"), order=None), CLIENT) == "run-1"


def test_date_times_are_local_and_states_are_spelled_as_servicenow_does() -> None:
    row = a_run("run-1", phase=Phase.CANCELLED, state=RunState.CANCELLED, finished_at=NOON)
    shown = shown_run(RunView(row=row, order=None), FORM, CLIENT)
    assert (shown["state"], shown["endDateTime"]) == ("canceled", "2026-11-23 13:00:00")


# Ordering


@given(ordered_documents)
def test_what_is_shown_orders_the_same_run(document: RunDocument) -> None:
    again = document_of(orjson.loads(orjson.dumps(shown_run(ordered(document), FORM, CLIENT))))
    assert again.name == document.name[: len(again.name)]
    assert (again.related_service.id, again.test_specification.id) == (
        document.related_service.id,
        document.test_specification.id,
    )
    assert [(each.id, each.metric_name) for each in again.test_measure] == [
        (each.id, each.metric_name) for each in document.test_measure
    ]
    if document.start_date_time is not None and not document.start_date_time.astimezone(BERLIN).fold:
        assert again.start_date_time == document.start_date_time.replace(microsecond=0)


def test_a_new_run_is_read_with_every_difference() -> None:
    violation = {"conformanceComporatorLower": "greater than", "name": ""}
    measure = {"id": "M1", "metricName": "Flow speed", "metricHref": "", "value": "3000", "ruleViolation": [violation]}
    body = BODY | {
        "id": "sys-1",
        "mode": "proactive",
        "state": "acknowledged",
        "startDateTime": "2026-07-01 10:00:00",
        "endDateTime": "",
        "testMeasure": [measure],
        "childServiceTest": [BODY | {"id": "sys-2", "startDateTime": "2026-01-01 10:00:00"}],
    }
    document = document_of(body)
    assert (document.run_id, document.mode.value, document.end_date_time) == ("run-sys-1", "PROACTIVE", None)
    assert str(document.start_date_time) == "2026-07-01 08:00:00+00:00"
    assert [(one.id, one.metric_name, one.metric_href) for one in document.test_measure] == [("M1", "Flow speed", None)]
    assert [(child.run_id, str(child.start_date_time)) for child in document.children] == [
        ("run-sys-2", "2026-01-01 09:00:00+00:00")
    ]


@given(st.dictionaries(st.sampled_from([*BODY, "id", "startDateTime", "testMeasure", "characteristic"]), json_values))
def test_any_body_orders_a_run_or_is_refused_with_places(parts: dict[str, object]) -> None:
    refused = refusal_of(lambda: document_of(BODY | parts))
    assert refused is None or (refused.status == 400 and refused.mistakes)


@pytest.mark.parametrize("written", ["2026-02-30 10:00:00", "tomorrow", 20260101])
def test_a_date_time_that_is_none_is_refused_with_its_place(written: object) -> None:
    with pytest.raises(ApiRefusedError) as refused:
        document_of(BODY | {"startDateTime": written})
    assert [mistake.pointer for mistake in refused.value.mistakes] == ["/startDateTime"]


@pytest.mark.parametrize("mode", [{}, [], False, 0, "sometimes"])
def test_a_mode_that_is_none_is_refused(mode: object) -> None:
    refused = refusal_of(lambda: document_of(BODY | {"mode": mode}))
    assert refused is not None
    assert [mistake.pointer for mistake in refused.mistakes] == ["/mode"]


# Changing


@given(ordered_documents)
def test_what_is_sent_back_as_it_was_shown_changes_nothing(document: RunDocument) -> None:
    view = ordered(document)
    assert changed(view, orjson.loads(orjson.dumps(shown_run(view, FORM, CLIENT)))) == Unchanged()


@given(run_rows().filter(lambda row: row.phase not in (Phase.FULFILLED, Phase.FAILED, Phase.CANCELLED, Phase.BLOCKED)))
def test_what_is_sent_back_changes_nothing_of_a_routed_run(row: Any) -> None:  # noqa: ANN401 - a row
    view = RunView(row=row, order=None)
    assert changed(view, orjson.loads(orjson.dumps(shown_run(view, FORM, CLIENT)))) == Unchanged()


def test_a_measure_is_updated_by_its_id_and_none_is_removed() -> None:
    view = ordered(a_document("run-1", measures=("M1", "M2")))
    new = {"id": "M3", "metricName": "Latency"}
    plan = changed(view, BODY | {"name": view.document.name, "testMeasure": [{"id": "M2", "unitOfMeasure": "ms"}, new]})
    assert isinstance(plan, DocumentWanted)
    assert [(one.id, one.metric_name, one.unit_of_measure) for one in plan.document.test_measure] == [
        ("M1", "metric M1", None),
        ("M2", "metric M2", "ms"),
        ("M3", "Latency", None),
    ]


def test_a_measure_without_id_is_that_with_the_same_name() -> None:
    view = ordered(a_document("run-1", measures=("M1",)))
    plan = changed(view, BODY | {"testMeasure": [{"metricName": "metric M1", "unitOfMeasure": "ms"}]})
    assert isinstance(plan, DocumentWanted)
    assert [(one.id, one.unit_of_measure) for one in plan.document.test_measure] == [("M1", "ms")]


@pytest.mark.parametrize("name", ["testMeasure", "characteristic", "relatedParty", "mode"])
def test_null_removes_nothing_that_a_patch_cannot_remove(name: str) -> None:
    first = document_of(BODY | {"mode": "proactive", "testMeasure": [{"id": "M1", "metricName": "speed"}]})
    assert changed(ordered(first), BODY | {name: None}) == Unchanged()


def test_an_id_of_blanks_is_none() -> None:
    measures = document_of(BODY | {"testMeasure": [{"id": " ", "metricName": "speed"}]}).test_measure
    assert [bool(measure.id.strip()) for measure in measures] == [True]
    plan = changed(
        ordered(document_of(BODY | {"testMeasure": [{"id": "M1", "metricName": "speed"}]})),
        BODY | {"testMeasure": [{"id": "", "metricName": "speed"}]},
    )
    assert plan == Unchanged()


def test_another_service_keeps_nothing_of_the_one_before() -> None:
    first = document_of(BODY | {"relatedService": {"id": "PI1", "name": "Internet", "href": "http://one"}})
    plan = changed(ordered(first), BODY | {"relatedService": {"id": "PI2"}})
    assert isinstance(plan, DocumentWanted)
    assert (plan.document.related_service.name, plan.document.related_service.href) == (None, None)
    assert changed(ordered(first), BODY | {"relatedService": {"id": "PI1"}}) == Unchanged()


@pytest.mark.parametrize("missing", [*BODY])
def test_a_patch_needs_name_service_and_specification(missing: str) -> None:
    view = ordered(a_document("run-1"))
    with pytest.raises(ApiRefusedError) as refused:
        changed(view, {name: value for name, value in BODY.items() if name != missing})
    assert refused.value.mistakes[0].pointer.startswith(f"/{missing}")


@given(st.dictionaries(st.sampled_from([*BODY, "mode", "testMeasure", "characteristic", "state"]), json_values))
def test_any_patch_is_read_or_refused(parts: dict[str, object]) -> None:
    view = ordered(a_document("run-1", measures=("M1",)))
    refused = refusal_of(lambda: changed(view, BODY | parts))
    assert refused is None or refused.status in (400, 409)


# Listing


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ([], (0, 20, None)),
        ([("limit", "500"), ("offset", "3")], (3, 100, None)),
        ([("state", "canceled"), ("name", "ignored"), ("filter", "ignored")], (0, 20, ("cancelled",))),
    ],
)
def test_a_list_has_one_filter_and_the_pages_of_servicenow(
    query: list[tuple[str, str]], expected: tuple[int, int, tuple[str, ...] | None]
) -> None:
    wanted = read_list_query(query)
    assert (wanted.offset, wanted.limit, wanted.pushdown.states) == expected


@pytest.mark.parametrize("query", [("limit", "0"), ("offset", "-1"), ("state", "draft"), ("limit", "many")])
def test_a_parameter_that_cannot_be_read_is_refused(query: tuple[str, str]) -> None:
    with pytest.raises(ApiRefusedError) as refused:
        read_list_query([query])
    assert refused.value.status == 400
