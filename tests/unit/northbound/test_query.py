"""A query reads as TMF630 defines it, and what a database decides never refuses what it accepts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.northbound.api_version import ApiVersion
from router.northbound.errors import ApiRefusedError
from router.northbound.lists.query import MAX_ALTERNATIVES, MAX_FILTERS, ListRequest, read_list_request, values_at
from router.northbound.order import RunView
from router.northbound.resource import to_resource
from tests.builders.runs import a_document, a_run
from tests.generators.run_rows import nonempty_texts, run_rows

if TYPE_CHECKING:
    from router.runs.run import RunRow
    from schemas.run_document import RunDocument


def read(*parameters: tuple[str, str]) -> ListRequest:
    return read_list_request(parameters, default_limit=20, max_limit=100)


def matches(resource: dict[str, Any], *parameters: tuple[str, str]) -> bool:
    return read(*parameters).matches(resource)


def test_a_query_without_parameters_asks_for_the_first_page_of_everything() -> None:
    assert read() == ListRequest(limit=20)


def test_page_and_fields_are_read() -> None:
    wanted = read(("fields", "name, state"), ("offset", "7"), ("limit", "1000"), ("fields", "relatedService.id"))
    assert wanted == ListRequest(fields=frozenset({"name", "state", "relatedService"}), offset=7, limit=100)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ([("name", "a")], True),
        ([("name", "b")], False),
        ([("name", "b,a")], True),
        ([("name", "a"), ("state", "completed")], True),
        ([("name", "a"), ("state", "failed")], False),
        ([("name", "a"), ("name", "b")], False),  # several parameters are "and", also of the same name
        ([("relatedService.id", "S1")], True),
        ([("characteristic.name", "y")], True),
        ([("characteristic.value", "true")], True),
        ([("characteristic.value", "1")], False),  # true is not 1
        ([("characteristic.value.deep", "2.50")], True),
        ([("characteristic.value.deep.gte", "2.5")], True),
        ([("characteristic.value.deep.lt", "2.5")], False),
        ([("state", "COMPLETED")], True),
        ([("state", "failed,done")], True),
        ([("description", "slow, then dead")], True),  # a comma of the text, which clients encode as any other one
        ([("description", "fast,slow, then dead")], False),
        ([("description", "x,slow")], False),
        ([("name.eq", "a")], True),
        ([("name.gt", "A")], True),
        ([("name.gt", "3")], False),  # a number does not compare with a text
        ([("testMeasure.id", "x")], False),
        ([("startDateTime", "2026-11-23")], True),
        ([("startDateTime", "2026-11-23T11:00:00+01:00")], True),
        ([("startDateTime", "2026-11-23T11:00:00 01:00")], True),  # a plus sign that was not encoded
        ([("startDateTime", "2026-11-22")], False),
        ([("startDateTime.gt", "2026-11-23")], False),
        ([("startDateTime.gte", "2026-11-23")], True),
        ([("startDateTime.lte", "2026-11-23")], True),
        ([("startDateTime.lt", "2026-11-23")], False),
        ([("startDateTime.gt", "2026-11-22"), ("startDateTime.lt", "2026-11-24")], True),
    ],
)
def test_filters_compare_as_documented(parameters: list[tuple[str, str]], *, expected: bool) -> None:
    resource = {
        "name": "a",
        "description": "slow, then dead",
        "state": "completed",
        "relatedService": {"id": "S1"},
        "characteristic": [{"name": "x", "value": True}, {"name": "y", "value": {"deep": 2.5}}],
        "startDateTime": "2026-11-23T10:00:00.000Z",
    }
    assert matches(resource, *parameters) is expected


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("name.like", "x", "gt, gte, lt, lte, regex"),
        ("name.regx", "x", "name has no attributes"),
        ("name.ne", "x", "name has no attributes"),
        ("name.", "x", "name has no attributes"),
        ("relatedService", "PI1", "relatedService.id"),
        ("characteristic.eq", "x", "inside of it"),
        ("relatedService.serial", "x", "@referredType, @schemaLocation, @type, href, id, name"),
        ("testSpecification.id.x", "x", "testSpecification has the attributes"),
        ("validFor.start", "2026-01-01", "endDateTime, startDateTime"),
        ("startDateTime", "2026-13-45", "a date or a date and time"),
        ("startDateTime.gt", "yesterday", "a date or a date and time"),
        ("endDateTime", "2026-01-31,", "a date or a date and time"),
        ("testMeasure.captureDateTime.lt", "1", "a date or a date and time"),
        ("state", "bogus", "acknowledged, rejected, pending, inProgress, cancelled, completed, failed"),
        ("state", "completed,", "a state that there is not"),
        ("name", "a\0", "NUL"),
        ("limit", "0", "from 1 to 1000000"),
    ],
)
def test_a_filter_that_no_run_could_pass_is_refused_and_no_empty_list(name: str, value: str, part: str) -> None:
    with pytest.raises(ApiRefusedError) as refused:
        read((name, value))
    assert (refused.value.status, part in refused.value.mistakes[0].sentence) == (400, True), refused.value.mistakes


def test_a_filter_by_a_value_of_any_form_has_any_path() -> None:
    run = {"characteristic": [{"name": "window", "value": {"startDateTime": "soon", "name": {"like": "x"}}}]}
    assert matches(run, ("characteristic.value.startDateTime", "soon"), ("characteristic.value.name.like", "x"))


@pytest.mark.parametrize(
    "parameters",
    [
        [("nothing", "x")],
        [("", "x")],
        [("name", "x" * 1001)],
        [("name", "\0")],
        [("name", "," * MAX_ALTERNATIVES)],
        [("name", "x")] * (MAX_FILTERS + 1),
        [("characteristic.a.b.c.d.e.f", "x")],
        [("offset", "1e3")],
        [("offset", "²")],
        [("offset", "9" * 400)],
        [("limit", "0")],
    ],
)
def test_a_query_beyond_its_bounds_is_refused(parameters: list[tuple[str, str]]) -> None:
    with pytest.raises(ApiRefusedError) as refused:
        read(*parameters)
    assert refused.value.status == 400


moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone follows


@given(moments, moments)
def test_moments_compare_by_time(found: datetime, wanted: datetime) -> None:
    found, wanted = (at.replace(microsecond=at.microsecond // 1000 * 1000) for at in (found, wanted))
    resource = {"startDateTime": found.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    text = wanted.isoformat()
    assert matches(resource, ("startDateTime.gt", text)) == (found > wanted)
    assert matches(resource, ("startDateTime.gte", text)) == (found >= wanted)
    assert matches(resource, ("startDateTime.lt", text)) == (found < wanted)
    assert matches(resource, ("startDateTime.lte", text)) == (found <= wanted)
    assert matches(resource, ("startDateTime", text)) == (found == wanted)
    day = wanted.date().isoformat()
    assert matches(resource, ("startDateTime", day)) == (found.date() == wanted.date())
    after = datetime.combine(wanted.date(), datetime.min.time(), UTC) + timedelta(days=1)
    assert matches(resource, ("startDateTime.gt", day)) == (found >= after)


any_name = st.sampled_from(
    ["id", "name", "state", "relatedService.id", "testSpecification.id", "mode", "characteristic.name", "startDateTime"]
)
endings = st.sampled_from(["", "", ".gt", ".lte", ".eq"])
any_values = st.lists(st.text(max_size=8) | nonempty_texts | st.floats().map(str), min_size=1, max_size=3)


@given(st.lists(st.tuples(st.builds(str.__add__, any_name, endings), any_values.map(",".join)), max_size=4), run_rows())
def test_any_query_is_read_or_refused_and_any_run_matches_or_does_not(
    parameters: list[tuple[str, str]], row: RunRow
) -> None:
    try:
        wanted = read(*parameters)
    except ApiRefusedError as error:
        status = error.status
    else:
        status = 400
        assert wanted.matches(to_resource(RunView(row=row, order=None), ApiVersion.V4_1)) in {True, False}
    assert status == 400


@given(run_rows(), st.sampled_from(["id", "state", "name", "relatedService.id", "testSpecification.id"]))
def test_the_database_is_not_told_to_refuse_what_matches(row: RunRow, path: str) -> None:
    resource = to_resource(RunView(row=row, order=None), ApiVersion.V4_1)
    [value] = values_at(resource, path.split("."))
    if "\0" in str(value):
        return
    other = "failed" if path == "state" else "none"
    wanted = read((path, str(value) if "," in str(value) else f"{other},{value}"))
    pushdown = wanted.pushdown
    assert wanted.matches(resource)
    assert pushdown.is_complete
    assert row.run_id in (pushdown.run_ids or (row.run_id,))
    assert resource["state"] in (pushdown.states or (resource["state"],))
    for field in pushdown.fields:
        assert _at(row.requested, field.path) in field.values


def _at(document: RunDocument, path: tuple[str, ...]) -> object:
    found: object = document
    for name in path:
        found = getattr(found, name)
    return found


def test_filters_that_the_database_cannot_decide_are_told_apart() -> None:
    assert read(("name", "a"), ("characteristic.name", "x")).pushdown.is_complete is False
    assert read(("name.gt", "a")).pushdown.fields == ()
    assert read(("mode", "ONDEMAND")).pushdown.is_complete is False  # a default is not stored
    shown = to_resource(RunView(row=a_run(document=a_document(name="a")), order=None), ApiVersion.V5)
    assert matches(shown, ("mode", "ONDEMAND"))
