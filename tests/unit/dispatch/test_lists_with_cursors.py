"""A system that pages its list by cursors and wraps it is looked up like any other, by what its profile says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.profile import Profile
from consumers.spokes.registry import spoke_for
from router.responses import HttpResponse, Purpose
from schemas.vocabulary import Phase
from tests.builders.runs import a_document
from tests.builders.spokes import a_profile
from tests.fakes.external_system import CallFault, json_answer
from tests.harness.gateway import InMemoryGateway
from tests.unit.dispatch.test_doubts import OddListing

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.spokes.port import Call
    from tests.unit.dispatch.test_doubts import ListedRuns

MAPPING: dict[str, Any] = {"runs_at": "/result/items", "next_at": "/result/next"}
PROFILE: dict[str, Any] = {"mapping": MAPPING, "query_names": {"cursor": "pageToken"}, "settle_time": 20}
PAGE = 2


def as_token(start: int) -> str:
    return f"t{start}"


def as_address(start: int) -> str:
    return f"https://elsewhere.example/other?limit=100&pageToken=t{start}"


def by_cursor(named: Callable[[int], object]) -> Callable[[Call, ListedRuns], HttpResponse]:
    """Show two runs at a time, whatever is asked for, and refuse an offset."""

    def listing(call: Call, runs: ListedRuns) -> HttpResponse:
        query = dict(call.query)
        if "offset" in query:
            return json_answer(400, {"code": "400", "reason": "unknown parameter offset"})
        start = int(query.get("pageToken", "t0")[1:])
        following = named(start + PAGE) if start + PAGE < len(runs) else None
        return json_answer(200, {"result": {"items": runs[start : start + PAGE], "next": following}})

    return listing


async def a_gateway_with_four_runs(
    named: Callable[[int], object], profile: dict[str, Any] = PROFILE
) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=profile, system=OddListing(by_cursor(named)))
    for number in range(2, 6):
        await gateway.process_request(a_document(f"TR000{number}"))
    return gateway


@pytest.mark.parametrize("named", [as_token, as_address])
async def test_fault_a_run_on_the_last_page_of_a_list_with_cursors_is_not_found(named: Callable[[int], object]) -> None:
    gateway = await a_gateway_with_four_runs(named)
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    await gateway.process_request(a_document())
    assert gateway.row().external_id == "ext-TR0001"
    assert gateway.system.posted_names().count("Line test TR0001") == 1
    paths = {call.path for call in gateway.system.calls_made(Purpose.LOOK_UP)}
    assert paths == {"/serviceTest"}


@pytest.mark.parametrize("named", [as_token, as_address])
async def test_fault_the_last_page_of_a_list_with_cursors_does_not_prove_that_a_post_never_arrived(
    named: Callable[[int], object],
) -> None:
    gateway = await a_gateway_with_four_runs(named)
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.ACCEPTED
    assert gateway.system.posted_names().count("Line test TR0001") == 2


@pytest.mark.parametrize(
    ("profile", "named"),
    [
        # Every answer names the first page again, or nothing that can be asked for.
        (PROFILE, lambda _: "t0"),
        (PROFILE, lambda _: {"page": 2}),
        # The list counts more runs than it shows.
        (PROFILE | {"mapping": MAPPING | {"total_at": "/result/items/0/total"}}, as_token),
    ],
)
async def test_a_list_that_does_not_end_as_the_profile_says_proves_nothing(
    profile: dict[str, Any], named: Callable[[int], object]
) -> None:
    gateway = await a_gateway_with_four_runs(named, profile)
    for test in gateway.system.tests.values():
        test["total"] = 99
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.FALLOUT
    assert gateway.dead_letter_codes() == ["IN_DOUBT"]
    assert gateway.system.posted_names().count("Line test TR0001") == 1


def page(body: object, **mapping: object) -> Any:  # noqa: ANN401 - a page
    spoke = spoke_for(a_profile(mapping={"runs_at": "/items", **mapping}))
    return spoke.read_page(json_answer(200, body), a_document())


@pytest.mark.parametrize(("count", "total"), [(12, 12), ("13", 13), (-1, None), ("many", None), (None, None)])
def test_a_count_in_the_body_counts_like_that_of_the_header(count: object, total: int | None) -> None:
    assert page({"items": [], "total": count}, total_at="/total").total == total


@pytest.mark.parametrize("cursor", [None, "", False])
def test_a_page_that_names_no_other_is_the_last(cursor: object) -> None:
    assert page({"items": [], "next": cursor}, next_at="/next").is_last
    assert not page({"items": []}).is_last


def test_a_cursor_may_have_every_letter_of_base64() -> None:
    call = page({"items": [], "next": "/+8="}, next_at="/next").next_call
    assert call.query == (("limit", "100"), ("cursor", "/+8="))


@pytest.mark.parametrize("cursor", [{"page": 2}, ["t2"], True, "t" * 5_000, "?" + "&".join("a=b" for _ in range(60))])
def test_what_is_no_cursor_is_told(cursor: object) -> None:
    with pytest.raises(NotUnderstoodError, match=r"mapping\.next_at"):
        page({"items": [], "next": cursor}, next_at="/next")


def test_a_list_that_is_whole_in_one_response_has_no_next_page() -> None:
    with pytest.raises(ValueError, match="with paging: none there is none"):
        Profile(name="a", base_url="http://a", paging="none", mapping={"next_at": "/next"})
