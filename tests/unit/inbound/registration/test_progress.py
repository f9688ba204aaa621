"""A registration ends in one registration at the hub, whatever kind of hub it is and whatever happens before."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.inbound.registration.hub_dialect import HubDialect
from consumers.inbound.registration.progress import (
    IN_EFFECT,
    NEXT_PHASE,
    RESTING,
    Answer,
    HubPhase,
    Registration,
    advance,
)
from router.responses import HttpResponse
from tests.builders.spokes import a_profile

if TYPE_CHECKING:
    from consumers.spokes.port import Call

OURS = "http://callbacks.example/fibre-lab/listener"
DIALECT = HubDialect(profile=a_profile(hub={"register": True}), callback=OURS)
MAX_CALLS = 6  # of one renewal, at a system that answers


@dataclass(slots=True, kw_only=True)
class ModelHub:
    """A hub with every combination of what hubs in use do; it forgets when it restarts."""

    lists: bool
    shows: bool  # GET of one registration
    conflicts: bool  # 409 for an address that it has
    single: bool  # 409 for any second address
    names: bool  # the answer to a POST has an id
    subscriptions: dict[str, str] = field(default_factory=dict)
    numbers: int = 0
    away: bool = False

    @property
    def ours(self) -> int:
        return sum(callback == OURS for callback in self.subscriptions.values())

    def answer(self, call: Call) -> HttpResponse:
        if self.away:
            return HttpResponse(status=503)
        one = call.path.removeprefix("/hub").strip("/")
        if call.method == "POST":
            return self._post(orjson.loads(call.body or b""))
        if call.method == "DELETE":
            return HttpResponse(status=204 if self.subscriptions.pop(one, None) else 404)
        if not (self.shows if one else self.lists):
            return HttpResponse(status=405 if one else 404)
        if one:
            found = self.subscriptions.get(one)
            return HttpResponse(status=404) if found is None else _json(200, {"id": one, "callback": found})
        return _json(200, [{"id": one, "callback": callback} for one, callback in self.subscriptions.items()])

    def _post(self, body: dict[str, str]) -> HttpResponse:
        if (self.conflicts and body["callback"] in self.subscriptions.values()) or (self.single and self.subscriptions):
            return HttpResponse(status=409)
        self.numbers += 1
        self.subscriptions[str(self.numbers)] = body["callback"]
        return _json(201, body | ({"id": str(self.numbers)} if self.names else {}))


def _json(status: int, body: object) -> HttpResponse:
    return HttpResponse(status=status, headers={"content-type": "application/json"}, body=orjson.dumps(body))


HUBS = st.builds(
    ModelHub,
    lists=st.booleans(),
    shows=st.booleans(),
    conflicts=st.booleans(),
    single=st.booleans(),
    names=st.booleans(),
)


def worked(registration: Registration, hub: ModelHub, *, suspected: bool = False) -> Registration:
    """Return the registration after one start or renewal."""
    if registration.is_resting:
        registration = registration.due(suspected=suspected)
    for _ in range(MAX_CALLS):
        subject = registration.former_id if registration.phase is HubPhase.TIDYING else registration.id
        call = DIALECT.call_of(registration.phase, subject)
        answer, found = DIALECT.read(registration.phase, hub.answer(call))
        registration = advance(registration, answer, found)
        if registration.is_resting or answer is Answer.FAILED:
            return registration
    raise AssertionError(f"does not come to rest: {registration}")


@given(hub=HUBS, events=st.lists(st.sampled_from(["renew", "restart", "away", "back", "suspect"]), max_size=20))
def test_whatever_happens_there_is_one_registration_at_the_end_where_the_hub_lets_it_be_known(
    hub: ModelHub, events: list[str]
) -> None:
    registration = worked(Registration(), hub)
    for event in events:
        if event == "restart":
            hub.subscriptions.clear()
        hub.away = event == "away" or (hub.away and event != "back")
        registration = worked(registration, hub, suspected=event == "suspect")
    hub.away = False
    registration = worked(worked(registration, hub, suspected=True), hub, suspected=True)
    assert registration.phase in IN_EFFECT & RESTING
    assert hub.ours >= 1
    if hub.lists or hub.conflicts or hub.single or hub.names:
        assert hub.ours == 1


@given(hub=HUBS, renewals=st.integers(0, 10))
def test_renewals_make_no_second_registration(hub: ModelHub, renewals: int) -> None:
    registration = worked(Registration(), hub)
    for _ in range(renewals):
        registration = worked(registration, hub)
        assert hub.ours == 1


@given(hub=HUBS, processes=st.integers(2, 4), renewals=st.integers(0, 5))
def test_several_processes_share_one_registration_where_the_hub_knows_it(
    hub: ModelHub, processes: int, renewals: int
) -> None:
    hub.conflicts = True
    registrations = [worked(Registration(), hub) for _ in range(processes)]
    for _ in range(renewals):
        registrations = [worked(registration, hub) for registration in registrations]
    assert hub.ours == 1
    assert {registration.phase for registration in registrations} <= IN_EFFECT & RESTING


def test_a_hub_that_is_taken_by_another_address_is_told_from_our_own() -> None:
    hub = ModelHub(
        lists=True, shows=False, conflicts=True, single=True, names=True, subscriptions={"7": "http://other"}
    )
    registration = worked(Registration(), hub)
    assert registration.phase is HubPhase.OCCUPIED
    hub.subscriptions.clear()
    assert worked(registration, hub).phase is HubPhase.REGISTERED


@pytest.mark.parametrize("status", [404, 405, 410, 501])
def test_a_system_without_a_hub_is_recognised(status: int) -> None:
    answer, _ = DIALECT.read(HubPhase.REGISTERING, HttpResponse(status=status))
    moved = advance(Registration(phase=HubPhase.REGISTERING, id="4"), answer)
    assert (moved.phase, moved.id) == (HubPhase.UNSUPPORTED, None)
    assert moved.due().phase is HubPhase.REGISTERING  # a path that is missing during a deployment comes back


@pytest.mark.parametrize("status", [400, 401, 403, 408, 422, 429, 500, 502, 503, 504])
def test_any_other_answer_to_a_post_is_repeated(status: int) -> None:
    before = Registration(phase=HubPhase.REGISTERING, id="4")
    answer, found = DIALECT.read(HubPhase.REGISTERING, HttpResponse(status=status))
    assert advance(before, answer, found) is before


def test_every_phase_is_reachable_and_leads_back_to_rest() -> None:
    reached = {HubPhase.SEARCHING, *NEXT_PHASE.values()}
    assert reached == set(HubPhase)
    assert all((phase, Answer.DUE) in NEXT_PHASE for phase in RESTING)
    assert {phase for phase, _ in NEXT_PHASE} == set(HubPhase)


@given(
    answers=st.lists(st.tuples(st.sampled_from([200, 201, 204, 301, 404, 405, 409, 500, 501]), st.binary(max_size=40))),
    header=st.text(max_size=20),
)
def test_no_answer_whatever_it_is_breaks_the_table(answers: list[tuple[int, bytes]], header: str) -> None:
    registration = Registration()
    for status, body in answers:
        if registration.is_resting:
            registration = registration.due()
        subject = registration.former_id if registration.phase is HubPhase.TIDYING else registration.id
        DIALECT.call_of(registration.phase, subject)
        response = HttpResponse(status=status, headers={"location": header, "x-total-count": header}, body=body)
        registration = advance(registration, *DIALECT.read(registration.phase, response))


def test_every_row_of_the_table_is_reached_by_some_answer() -> None:
    bodies = [b"", b"[]", orjson.dumps([{"callback": OURS, "id": 1}]), orjson.dumps({"callback": OURS, "id": "2"})]
    seen = {(phase, Answer.DUE) for phase in RESTING}
    starts = [Registration(), Registration(id="1"), Registration(unnamed=True)]
    for phase, status, body, start in product(set(HubPhase) - RESTING, (200, 404, 405, 409), bodies, starts):
        answer, found = DIALECT.read(phase, HttpResponse(status=status, body=body))
        registration = Registration(phase=phase, id=start.id, former_id="0", unnamed=start.unnamed)
        moved = advance(registration, answer, found)
        seen |= {row for row, after in NEXT_PHASE.items() if row[0] is phase and after is moved.phase}
    assert seen == set(NEXT_PHASE)
