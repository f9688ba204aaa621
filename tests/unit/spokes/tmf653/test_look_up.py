"""A list of runs shows ours, or runs that are perhaps ours, or only others; anything else proves nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.spokes.jobs.spoke import JobsSpoke
from consumers.spokes.port import LookUpPage, NotUnderstoodError, Spoke
from router.responses import HttpResponse
from router.runs.reports.report import ExternalReport  # noqa: TC001
from schemas.run_document import ServiceRef
from schemas.vocabulary import RunState
from tests.builders.runs import a_document
from tests.builders.spokes import a_profile, a_spoke
from tests.fakes.external_system import json_answer

OURS = {"id": "42", "name": "Line test TR0001", "state": "inProgress"}
OTHER_SERVICE = {"id": "41", "name": "Line test", "relatedService": {"id": "another line"}}
NAMELESS = {"id": "40"}


def read_page(body: object, status: int = 200, **headers: str) -> LookUpPage:
    answer = HttpResponse(status=status, headers=headers, body=body) if isinstance(body, bytes) else None
    return a_spoke().read_page(answer or json_answer(status, body, **headers), a_document())


def possible_ids(*runs: object) -> list[str | None]:
    found: tuple[ExternalReport, ...] = read_page(list(runs)).possible
    return [report.external_id for report in found]


def test_a_run_is_found_by_its_exact_name() -> None:
    page = read_page([{"id": "41", "name": "Line test TR00010"}, OURS])
    assert page.found is not None
    assert (page.found.external_id, page.found.state) == ("42", RunState.IN_PROGRESS)


@pytest.mark.parametrize(
    "echo",
    [
        {"externalIdentifier": [{"id": "TR0001", "owner": "southbound"}]},
        {"characteristic": [{"name": "testRunId", "value": "TR0001"}]},
    ],
)
def test_a_run_under_another_name_is_found_by_the_id_that_was_sent(echo: dict[str, object]) -> None:
    page = read_page([{"id": "42", "name": "ServiceTest-42", **echo}])
    assert page.found is not None


def test_one_object_instead_of_a_list_is_read() -> None:
    assert read_page(OURS).found is not None


@pytest.mark.parametrize("name", ["LINE TEST TR0001", "Line test TR0", "Line&nbsp;test", "ServiceTest-9", None])
def test_a_name_that_the_system_changed_may_be_ours(name: str | None) -> None:
    assert possible_ids({"id": "9", "name": name}) == ["9"]


@pytest.mark.parametrize(
    "other",
    [
        OTHER_SERVICE,
        {"id": "41", "testSpecification": {"id": "another specification"}},
        {"id": "41", "externalIdentifier": [{"id": "TR0002", "owner": "southbound"}]},
        {"id": "41", "characteristic": [{"name": "testRunId", "value": "TR0002"}]},
    ],
)
def test_a_run_of_another_service_specification_or_run_id_is_not_ours(other: dict[str, object]) -> None:
    assert possible_ids(other) == []


def test_an_identifier_of_another_owner_excludes_nothing() -> None:
    assert possible_ids({"id": "41", "externalIdentifier": [{"id": "X", "owner": "crm"}]}) == ["41"]


def test_an_id_in_another_spelling_is_the_same_service() -> None:
    document = a_document().model_copy(update={"related_service": ServiceRef(id="svc-1")})
    listed = json_answer(200, [{"id": "41", "relatedService": {"id": " SVC-1 "}}])
    assert len(a_spoke().read_page(listed, document).possible) == 1


@pytest.mark.parametrize(
    "link",
    [
        '<http://ext/serviceTest?offset=20>; rel="next"',
        "<http://ext/serviceTest?offset=20>; rel=next",
        "<http://ext/serviceTest?offset=20>;rel=NEXT;title=more",
        '</x?offset=0>; rel=prev, </x?offset=20>; rel="last next"',
        "<?offset=20>; REL=next",
    ],
)
def test_the_next_page_is_known_in_every_spelling_of_the_link(link: str) -> None:
    call = read_page([OTHER_SERVICE], link=link).next_call
    assert call is not None
    assert (call.path, call.query) == ("/serviceTest", (("offset", "20"),))


@pytest.mark.parametrize("link", ["", "<http://ext>; rel=nextish", "<http://ext>; rel=prev", "next", "<<>>;rel"])
def test_other_links_are_no_next_page(link: str) -> None:
    assert read_page([], link=link).next_call is None


@given(st.text(max_size=400))
def test_no_link_header_breaks_the_reading(link: str) -> None:
    assert read_page([], link=f"<a>;{link}<b>; rel=next").shown == 0


@pytest.mark.parametrize(
    ("status", "headers", "total"),
    [(200, {"x-total-count": "17"}, 17), (206, {}, 2), (200, {"x-total-count": "many"}, None), (200, {}, None)],
)
def test_how_many_there_are_is_what_the_system_counts(status: int, headers: dict[str, str], total: int | None) -> None:
    assert read_page([OTHER_SERVICE], status, **headers).total == total


@pytest.mark.parametrize("body", [b"", b"<html/>", {"error": "x"}, "text", None, [1], ["TR0001"], {"items": []}])
def test_what_is_no_list_of_runs_proves_nothing(body: object) -> None:
    with pytest.raises(NotUnderstoodError):
        read_page(body)


def test_no_content_proves_nothing() -> None:
    with pytest.raises(NotUnderstoodError, match="without a body"):
        read_page(b"", 204)


def listed(number: int) -> list[dict[str, object]]:
    return [{"id": f"x{each}", "state": "completed"} for each in range(number)]


def test_fault_a_list_of_more_runs_than_are_compared_proves_nothing_and_may_show_ours() -> None:
    others = listed(6_000)
    with pytest.raises(NotUnderstoodError, match="has 6,000 runs, and 5,000 are compared"):
        read_page(others)
    page = read_page([*others, OURS])
    assert page.found is not None
    assert read_page(others[:5_000]).shown == 5_000


@pytest.mark.parametrize("spoke", [a_spoke(), JobsSpoke(a_profile(dialect="jobs"))])
def test_fault_a_body_of_more_values_than_the_loop_has_time_for_is_refused_before_it_is_parsed(spoke: Spoke) -> None:
    answer = HttpResponse(status=200, body=b"[" + b"{}," * 400_000 + b"{}]")
    with pytest.raises(NotUnderstoodError, match="more than 500,000 values"):
        spoke.read_page(answer, a_document())
    with pytest.raises(NotUnderstoodError, match="more than 500,000 values"):
        spoke.read_reply(answer)
