"""A system that stored a run in its own way, and does not find it by what we ask, is not sent it again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from router.responses import HttpResponse, Purpose
from schemas.lifecycle import RunRequested
from schemas.vocabulary import Phase
from tests.builders.runs import a_document
from tests.fakes.external_system import CallFault, FakeSystem, json_answer
from tests.harness.gateway import InMemoryGateway
from tests.unit.dispatch.test_doubts import OddListing, page_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.spokes.port import Call
    from schemas.run_document import RunDocument
    from tests.unit.dispatch.test_doubts import ListedRuns

    ListedRun = dict[str, object]

DISPATCH = "testrun.dispatch.fibre-lab"
UUID = "3f2b8c1e-6d4a-4c1b-9d2e-00000000000"
BY_ID: dict[str, object] = {"look_up": "external_identifier"}
WITH_CHARACTERISTICS: dict[str, object] = {"relationship_encoding": "characteristic"}
BY_NAME: dict[str, object] = {}


def changed_texts(run: ListedRun, change: Callable[[str], str]) -> ListedRun:
    """Return a run whose name and ids are stored in another way."""
    stored: ListedRun = {**run, "name": change(str(run["name"]))}
    for field, key in (("externalIdentifier", "id"), ("characteristic", "value")):
        stored[field] = [{**each, key: change(str(each[key]))} for each in run.get(field, ())]  # type: ignore[attr-defined] # a list
    return stored


def changed_name(run: ListedRun, change: Callable[[str], str]) -> ListedRun:
    """Return a run of a system that stores a name in its own way, and nothing else that tells."""
    return {"id": run["id"], "name": change(str(run["name"])), "state": run["state"]}


def own_reference(run: ListedRun, field: str) -> ListedRun:
    reference = {"id": f"sys-{run[field]['id']}"}  # type: ignore[index] # an object
    return {"id": run["id"], "name": f"ServiceTest {str(run['id'])[-1]}", "state": run["state"], field: reference}


def cut_to_bytes(name: str, limit: int = 60) -> str:
    return name.encode()[:limit].decode(errors="ignore")


def filtered(runs: ListedRuns, call: Call) -> ListedRuns:
    query = dict(call.query)
    if "name" in query:
        runs = [run for run in runs if run["name"] == query["name"]]
    if "externalIdentifier.id" in query:
        ids = [[each["id"] for each in run.get("externalIdentifier", ())] for run in runs]  # type: ignore[attr-defined] # a list
        runs = [run for run, named in zip(runs, ids, strict=True) if query["externalIdentifier.id"] in named]
    return runs


async def posts_of(
    stored_as: Callable[[ListedRun], ListedRun],
    control: RunDocument,
    document: RunDocument,
    profile: dict[str, object],
) -> int:
    system = OddListing(lambda call, runs: page_of(filtered([*map(stored_as, runs)], call), call))
    gateway = InMemoryGateway(profile=profile, system=system)
    await gateway.process_request(control)
    assert gateway.row(control.run_id).phase is Phase.ACCEPTED
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    await gateway.process_request(document)
    return len(gateway.system.calls_made(Purpose.SEND)) - 1


@pytest.mark.parametrize("profile", [BY_ID, WITH_CHARACTERISTICS])
@pytest.mark.parametrize(
    ("stored_as", "control", "ours"),
    [
        (lambda run: changed_texts(run, str.upper), "tr9", "tr1"),
        (lambda run: changed_texts(run, lambda text: text[:30]), f"{UUID}9", f"{UUID}1"),
        (lambda run: changed_texts(run, lambda text: text[-20:]), f"{UUID}9", f"{UUID}1"),
        (lambda run: changed_texts(run, lambda text: text.replace("-", "")), f"{UUID}9", f"{UUID}1"),
        (lambda run: changed_texts(run, lambda text: f"urn:uuid:{text}"), f"{UUID}9", f"{UUID}1"),
        (lambda run: changed_texts(run, lambda text: text[::-1]), "TR9", "TR1"),
        (lambda run: changed_texts(run, lambda text: text.replace("_", " ")), "TR-9", "TR_1"),
    ],
    ids=["in capitals", "cut to 30 characters", "its end", "without dashes", "as a URN", "reversed", "spaces"],
)
async def test_a_run_whose_id_is_stored_in_another_way_is_posted_once(
    stored_as: Callable[[ListedRun], ListedRun], control: str, ours: str, profile: dict[str, object]
) -> None:
    assert await posts_of(stored_as, a_document(control), a_document(ours), profile) == 1


@pytest.mark.parametrize("field", ["relatedService", "testSpecification"])
async def test_a_run_whose_references_are_ids_of_the_system_is_posted_once(field: str) -> None:
    posts = await posts_of(
        lambda run: own_reference(run, field), a_document("TR9", service="PI9"), a_document("TR1"), BY_NAME
    )
    assert posts == 1


@pytest.mark.parametrize(
    ("change", "control", "ours"),
    [
        (str.upper, "LINE TEST TR9", "Line Test TR1"),
        (cut_to_bytes, "TR9 " + "x" * 40 + "ü", "TR1 " + "ü" * 39),
        (lambda name: name.replace("--", "–"), "TR9 - a-longer-name", "TR1 -- line"),  # noqa: RUF001 - an en dash
        (lambda name: name.replace("...", "…"), "TR9 a.b longer", "TR1 ... x"),
    ],
    ids=["in capitals", "cut to bytes", "dashes", "dots"],
)
async def test_a_control_with_an_easier_name_proves_nothing(
    change: Callable[[str], str], control: str, ours: str
) -> None:
    posts = await posts_of(
        lambda run: changed_name(run, change), a_document("TR9", name=control), a_document("TR1", name=ours), BY_NAME
    )
    assert posts == 1


async def test_a_number_that_loses_its_zeros_is_posted_once() -> None:
    posts = await posts_of(
        lambda run: {"id": run["id"], "name": "x", "externalIdentifier": [{"id": str(ids_of(run)).lstrip("0")}]},
        a_document("TR00000009"),
        a_document("00000001"),
        BY_ID,
    )
    assert posts == 1


def ids_of(run: ListedRun) -> object:
    return run["externalIdentifier"][0]["id"]  # type: ignore[index] # a list


async def test_a_list_whose_count_is_that_of_the_page_is_read_to_its_end() -> None:
    def listing(call: Call, runs: ListedRuns) -> HttpResponse:
        offset = int(dict(call.query).get("offset", "0"))
        page = runs[offset : offset + 3]
        return json_answer(200, page, **{"x-total-count": str(len(page))})

    gateway = await several_runs(OddListing(listing), range(3, 9))
    await lose_response(gateway)
    assert gateway.row("TR1").external_id == "ext-TR1"
    assert len(gateway.system.calls_made(Purpose.SEND)) == 7


async def test_a_list_that_ends_before_the_newest_runs_proves_nothing() -> None:
    def listing(call: Call, runs: ListedRuns) -> HttpResponse:
        return json_answer(200, [] if int(dict(call.query).get("offset", "0")) else runs[:20])

    gateway = await several_runs(OddListing(listing), range(30, 51))
    await lose_response(gateway)
    assert gateway.row("TR1").phase is Phase.FALLOUT
    assert len(gateway.system.calls_made(Purpose.SEND)) == 22


@pytest.mark.parametrize("status", [400, 404, 416])
async def test_a_system_that_refuses_to_show_what_is_behind_a_count_is_believed(status: int) -> None:
    def listing(call: Call, runs: ListedRuns) -> HttpResponse:
        if "name" in dict(call.query):
            return json_answer(200, [])
        offset = int(dict(call.query).get("offset", "0"))
        counted = {"x-total-count": str(len(runs))}
        return json_answer(200, runs, **counted) if offset < len(runs) else HttpResponse(status=status)

    gateway = await several_runs(OddListing(listing), range(3, 5))
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_request(a_document("TR1"))
    assert (gateway.row("TR1").phase, gateway.row("TR1").external_id) == (Phase.ACCEPTED, "ext-TR1")


async def test_a_list_of_runs_that_have_begun_does_not_prove_that_another_one_is_absent() -> None:
    def listing(call: Call, runs: ListedRuns) -> HttpResponse:
        begun = [run for run in runs if run["state"] == "inProgress"]
        return page_of(filtered(begun, call), call, **{"x-total-count": str(len(begun))})

    gateway = await several_runs(OddListing(listing), range(8, 10))
    gateway.system.tests["ext-TR9"]["state"] = "inProgress"
    await gateway.process_callback("ext-TR9", state="inProgress", testMeasure=[])
    await lose_response(gateway)
    assert gateway.row("TR1").phase is Phase.FALLOUT
    assert len(gateway.system.calls_made(Purpose.SEND)) == 3


def begun_only(call: Call, runs: ListedRuns) -> HttpResponse:
    begun = [run for run in runs if run["state"] != "acknowledged"]
    return page_of(filtered(begun, call), call, **{"x-total-count": str(len(begun))})


def as_it_is(call: Call, runs: ListedRuns) -> HttpResponse:
    return page_of(filtered(runs, call), call)


async def a_begun_run(
    listing: Callable[[Call, ListedRuns], HttpResponse],
    state: str = "inProgress",
    *,
    took: timedelta = timedelta(hours=1),
    **profile: object,
) -> InMemoryGateway:
    """Return a gateway one of whose runs has begun, or ended, at a system that answers look-ups in its own way."""
    gateway = InMemoryGateway(profile=profile, system=OddListing(listing))
    await gateway.process_request(a_document("TR9"))
    gateway.clock.at += took
    await report(gateway, "TR9", state)
    return gateway


async def report(gateway: InMemoryGateway, run_id: str, state: str) -> None:
    gateway.system.tests[f"ext-{run_id}"]["state"] = state
    await gateway.process_callback(f"ext-{run_id}", state=state, testMeasure=[])


@pytest.mark.parametrize("state", ["inProgress", "completed"])
async def test_where_every_other_run_has_begun_a_list_of_begun_runs_does_not_prove_that_ours_is_absent(
    state: str,
) -> None:
    gateway = await a_begun_run(begun_only, state)
    await lose_response(gateway)
    assert (gateway.row("TR1").phase, gateway.dead_letter_codes()) == (Phase.FALLOUT, ["IN_DOUBT"])
    assert len(gateway.system.calls_made(Purpose.SEND)) == 2


async def test_once_a_run_would_have_begun_as_all_others_have_a_list_of_begun_runs_proves_that_it_is_absent() -> None:
    gateway = await a_begun_run(as_it_is, "completed", took=timedelta(seconds=1))
    posted_at = gateway.clock.at
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_request(a_document("TR1"))
    row = gateway.row("TR1")
    assert row.phase is Phase.ACCEPTED
    assert row.accepted_at is not None
    assert row.accepted_at - posted_at > timedelta(seconds=2)


@pytest.mark.parametrize(
    ("fault", "phase", "posts"),
    [(CallFault.REQUEST_LOST, Phase.ACCEPTED, 3), (CallFault.RESPONSE_LOST, Phase.IN_PROGRESS, 2)],
)
async def test_attempts_do_not_count_until_a_run_would_have_begun_as_all_others_have(
    fault: CallFault, phase: Phase, posts: int
) -> None:
    def begins_after_90_seconds(call: Call, runs: ListedRuns) -> HttpResponse:
        if gateway.clock.at > posted_at + timedelta(seconds=90):
            runs = [{**run, "state": "inProgress"} for run in runs]
        return begun_only(call, runs)

    few_attempts = {"max_attempts": 2, "max_interval": 10}
    gateway = await a_begun_run(begins_after_90_seconds, "completed", took=timedelta(seconds=60), retry=few_attempts)
    posted_at = gateway.clock.at
    gateway.system.plan(Purpose.SEND, fault)
    await gateway.process_request(a_document("TR1"))
    assert (gateway.row("TR1").phase, gateway.dead_letter_codes()) == (phase, [])
    assert gateway.clock.at > posted_at + timedelta(seconds=90)
    assert len(gateway.system.calls_made(Purpose.SEND)) == posts


async def test_a_begun_run_whose_begin_was_not_reported_proves_nothing_either() -> None:
    gateway = InMemoryGateway(system=OddListing(begun_only))
    await gateway.process_request(a_document("TR9"))
    gateway.system.tests["ext-TR9"]["state"] = "inProgress"
    await lose_response(gateway)
    assert gateway.row("TR1").phase is Phase.FALLOUT
    assert len(gateway.system.calls_made(Purpose.SEND)) == 2


async def test_a_younger_run_that_has_begun_proves_that_ours_is_absent() -> None:
    gateway = await a_begun_run(as_it_is)
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document("TR1")), "r")
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.attempt_next(DISPATCH)
    waiting = gateway.take_next(DISPATCH)
    gateway.clock.at += timedelta(seconds=1)
    await gateway.process_request(a_document("TR8"))
    await report(gateway, "TR8", "inProgress")
    gateway.reread([waiting])
    await gateway.run_until_idle()
    assert gateway.row("TR1").phase is Phase.ACCEPTED


async def test_a_list_that_shows_a_run_which_has_not_begun_proves_that_ours_is_absent() -> None:
    gateway = await a_begun_run(as_it_is)
    await gateway.process_request(a_document("TR7", name="L"))  # of a name that proves nothing about the filter
    gateway.clock.at += timedelta(minutes=1)
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_request(a_document("TR1"))
    assert gateway.row("TR1").phase is Phase.ACCEPTED


async def test_a_system_that_answers_with_the_end_has_no_runs_that_have_not_begun() -> None:
    gateway = await a_begun_run(as_it_is, "completed", result_channels=["sync"])
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_request(a_document("TR1"))
    assert gateway.row("TR1").phase is Phase.ACCEPTED


@pytest.mark.parametrize(("run_id", "phase"), [("TR1", Phase.ACCEPTED), ("TR_1", Phase.FALLOUT)])
async def test_a_run_of_another_gateway_is_another_one_where_run_ids_are_shown_as_they_were_sent(
    run_id: str, phase: Phase
) -> None:
    foreign: ListedRun = {
        "id": "f1",
        "externalIdentifier": [{"id": "TR77", "owner": "southbound"}],
        "state": "completed",
    }

    def listing(call: Call, runs: ListedRuns) -> HttpResponse:
        return page_of([] if "externalIdentifier.id" in dict(call.query) else [*runs, foreign], call)

    gateway = InMemoryGateway(profile=BY_ID, system=OddListing(listing))
    await gateway.process_request(a_document("TR9"))
    gateway.clock.at += timedelta(minutes=1)
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_request(a_document(run_id))
    assert gateway.row(run_id).phase is phase


async def test_a_list_that_shows_references_as_they_were_sent_proves_absence() -> None:
    def listing(call: Call, runs: ListedRuns) -> HttpResponse:
        shown: ListedRuns = [{"id": run["id"], "relatedService": run["relatedService"]} for run in runs]
        foreign: ListedRun = {"id": "of somebody else", "relatedService": {"id": "another line"}}
        return page_of([] if "name" in dict(call.query) else [*shown, foreign], call)

    gateway = InMemoryGateway(system=OddListing(listing))
    await gateway.process_request(a_document("TR9", service="PI9"))
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_request(a_document("TR1"))
    assert gateway.row("TR1").phase is Phase.ACCEPTED
    assert len(gateway.system.calls_made(Purpose.SEND)) == 3


async def several_runs(system: OddListing, numbers: range) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=WITH_CHARACTERISTICS, system=system)
    for number in numbers:
        await gateway.process_request(a_document(f"TR{number}"))
    return gateway


async def lose_response(gateway: InMemoryGateway) -> None:
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    await gateway.process_request(a_document("TR1"))


class QueryInLatin1(FakeSystem):
    """Reads the values of a query as ISO-8859-1, and so finds no name that is not ASCII."""

    def _work(self, call: Call) -> HttpResponse:
        read_as = tuple((name, value.encode().decode("iso-8859-1")) for name, value in call.query)
        return FakeSystem._work(self, replace(call, query=read_as))


@pytest.mark.parametrize(("fault", "posts"), [(CallFault.RESPONSE_LOST, 1), (CallFault.REQUEST_LOST, 2)])
@pytest.mark.parametrize("others", [0, 1, 3])
async def test_a_system_that_reads_queries_in_another_charset_has_one_test(
    fault: CallFault, posts: int, others: int
) -> None:
    gateway = InMemoryGateway(system=QueryInLatin1(), profile={"media_types": {"charset": "iso-8859-1"}})
    for number in range(others):
        await gateway.process_request(a_document(f"TR{number}", name=f"Prüfung TR{number}"))
    gateway.system.plan(Purpose.SEND, fault)
    await gateway.process_request(a_document("TR9", name="Prüfung TR9"))
    assert (gateway.row("TR9").phase, gateway.dead_letter_codes()) == (Phase.ACCEPTED, [])
    assert gateway.system.posted_names().count("Prüfung TR9") == posts
    assert [test["name"] for test in gateway.system.tests.values()].count("Prüfung TR9") == 1
