"""Whatever a system did before and answers to a GET from then on, a run that was sent does not stay open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from router.responses import HttpResponse, Purpose
from router.runs.transitions import ENDED_PHASES
from schemas.vocabulary import Phase
from tests.builders.runs import a_document
from tests.fakes.external_system import NO_RESPONSE, REFUSED_CONNECTION, CallFault, json_answer
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from router.responses import NoResponse

OPEN_STATES = st.sampled_from(["acknowledged", "pending", "inProgress", "suspended", "a word of its own"])
LATER, REFUSED = HttpResponse(status=202), HttpResponse(status=409)
FOR_EVER = st.sampled_from(
    [
        None,
        NO_RESPONSE,
        REFUSED_CONNECTION,
        json_answer(200, {"id": "another", "state": "inProgress"}),
        HttpResponse(status=200, headers={"content-type": "text/html"}, body=b"<html>maintenance</html>"),
        *(HttpResponse(status=status) for status in (200, 403, 404, 503)),
    ]
)
PROFILES = st.fixed_dictionaries(
    {
        "cancel": st.sampled_from(["patch", "delete"]),
        "patchable": st.just(["description"]),
        "reposted": st.sampled_from([[], ["relatedService"]]),
        "measures_grace": st.sampled_from([0, 30]),
        "end_of_run": st.sampled_from(["state", "measures"]),
        "cancel_timed_out": st.booleans(),
        "follow_changes": st.booleans(),
    }
)
STEPS = st.tuples(
    st.sampled_from(["report", "thin event", "cancellation", "change", "replacement", "time", "loss", "state"]),
    OPEN_STATES,
    st.sampled_from([LATER, REFUSED, None, HttpResponse(status=200), HttpResponse(status=405)]),
)
DAYS = 20  # more than a run may be pending, and its time-out


async def take(gateway: InMemoryGateway, number: int, step: tuple[str, str, HttpResponse | None]) -> None:
    what, state, answer = step
    external_id = gateway.row().external_id or "ext-TR0001"
    match what:
        case "report":
            await gateway.process_callback(external_id, f"E{number}", state=state)
        case "thin event":
            await gateway.process_callback(external_id, f"E{number}")
        case "cancellation":
            gateway.system.plan(Purpose.CANCEL, answer)
            await gateway.process_cancellation("TR0001", event_id=f"C{number}")
        case "change":
            gateway.system.plan(Purpose.CHANGE, answer)
            await gateway.process_change(a_document(version=number + 2, description=str(number)))
        case "replacement":
            gateway.system.plan(Purpose.CANCEL, answer)
            await gateway.process_change(a_document(version=number + 2, service=f"PI{number}"))
        case "time":
            await gateway.advance(5_000, step=100)
        case "loss":
            gateway.system.tests.pop(external_id, None)
        case _:
            set_states(gateway, state)


def set_states(gateway: InMemoryGateway, state: str) -> None:
    for test in gateway.system.tests.values():
        test["state"] = state


@settings(max_examples=40)
@given(
    PROFILES,
    st.sampled_from([None, LATER, CallFault.RESPONSE_LOST]),
    st.lists(STEPS, max_size=5),
    FOR_EVER,
    OPEN_STATES,
)
async def test_every_run_that_was_sent_ends_or_is_handed_to_a_person(
    profile: dict[str, object],
    accepted: HttpResponse | CallFault | None,
    steps: list[tuple[str, str, HttpResponse | None]],
    for_ever: HttpResponse | NoResponse | None,
    state: str,
) -> None:
    gateway = InMemoryGateway(profile=profile)
    gateway.system.plan(Purpose.SEND, accepted)
    await gateway.process_request(a_document(measures=("TM1",)))
    for number, step in enumerate(steps):
        await take(gateway, number, step)
    gateway.system.forget_plans()
    gateway.system.plan(Purpose.READ, *[for_ever] * 5_000)
    set_states(gateway, state)
    await gateway.advance(DAYS * 86_400, step=7_200)
    is_handed_over = gateway.row().phase is Phase.FALLOUT and gateway.dead_lettered
    assert gateway.row().phase in ENDED_PHASES or is_handed_over
