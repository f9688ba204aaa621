"""A run that is past the point of no return of its profile is not cancelled."""

from __future__ import annotations

import pytest

from router.responses import Purpose
from schemas.vocabulary import UpdateKind
from tests.builders.runs import a_document
from tests.harness.gateway import InMemoryGateway


@pytest.mark.parametrize(
    ("state", "last", "calls"),
    [("acknowledged", UpdateKind.CANCEL_ACCEPTED, 1), ("inProgress", UpdateKind.CANCEL_REFUSED, 0)],
)
async def test_a_run_is_cancelled_in_these_states_only(state: str, last: UpdateKind, calls: int) -> None:
    gateway = InMemoryGateway(profile={"cancelable_states": ["acknowledged", "pending"]})
    await gateway.process_request(a_document())
    await gateway.process_callback("ext-TR0001", state=state)
    await gateway.process_cancellation("TR0001")
    assert gateway.updates()[-1] is last
    assert len(gateway.system.calls_made(Purpose.CANCEL)) == calls


async def test_the_refusal_says_why() -> None:
    gateway = InMemoryGateway(profile={"cancelable_states": ["acknowledged"]})
    await gateway.process_request(a_document())
    await gateway.process_callback("ext-TR0001", state="inProgress")
    await gateway.process_cancellation("TR0001")
    (reason,) = gateway.last_update().reasons
    assert reason.code == "PAST_POINT_OF_NO_RETURN"
    assert "takes no cancellation of a run in the state inProgress" in reason.message
