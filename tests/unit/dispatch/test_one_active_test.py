"""Whatever fails on the way, a system never has two active tests of one run, and the last change is what it runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from router.responses import HttpResponse, Purpose
from router.runs.transitions import ACCEPTED_PHASES
from schemas.lifecycle import RunChanged
from schemas.results import RunUpdate
from schemas.vocabulary import Phase, UpdateKind
from tests.builders.runs import a_document
from tests.fakes.external_system import LOCKED, REFUSED_CONNECTION, CallFault, FakeSystem
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.spokes.port import Call
    from router.responses import NoResponse

    Reactions = list[HttpResponse | NoResponse | CallFault | None]

ENDED = {"cancelled", "completed"}
FAULTS = st.sampled_from([None, CallFault.RESPONSE_LOST, CallFault.REQUEST_LOST, LOCKED, REFUSED_CONNECTION])
ON_CANCEL = FAULTS | st.sampled_from([HttpResponse(status=202), HttpResponse(status=409)])
ON_PATCH = ON_CANCEL | st.just(HttpResponse(status=204))  # which is believed of a DELETE
CANCELLATIONS = st.one_of(
    st.tuples(st.just("patch"), st.lists(ON_PATCH, max_size=4)),
    st.tuples(st.just("delete"), st.lists(ON_CANCEL, max_size=4)),
)
ON_READ = st.sampled_from([None, REFUSED_CONNECTION, HttpResponse(status=503), HttpResponse(status=200)])


class WatchedSystem(FakeSystem):
    """Records when a test is made while another one of the run is active."""

    def __init__(self) -> None:
        super().__init__()
        self.doubled: list[str] = []

    def _work(self, call: Call) -> HttpResponse:
        if call.purpose is Purpose.SEND:
            self.doubled += [name for name, test in self.tests.items() if test["state"] not in ENDED]
        return FakeSystem._work(self, call)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(FAULTS, max_size=4),
    CANCELLATIONS,
    st.lists(ON_READ, max_size=4),
    st.lists(st.booleans(), min_size=1, max_size=4),
)
def test_a_run_has_one_active_test_with_the_last_change_that_was_accepted(
    on_send: Reactions, cancellation: tuple[str, Reactions], on_read: Reactions, together: list[bool]
) -> None:
    asyncio.run(_check(on_send, cancellation, on_read, together))


async def _check(
    on_send: Reactions, cancellation: tuple[str, Reactions], on_read: Reactions, together: list[bool]
) -> None:
    method, on_cancel = cancellation
    system = WatchedSystem()
    gateway = InMemoryGateway(system=system, profile={"reposted": ["description"], "cancel": method})
    await gateway.process_request(a_document(description="1"))
    system.plan(Purpose.SEND, *on_send)
    system.plan(Purpose.CANCEL, *on_cancel)
    system.plan(Purpose.READ, *on_read)
    for version, waits in enumerate(together, start=2):
        changed = RunChanged(run=a_document(version=version, description=str(version)))
        gateway.produce(gateway.names.lifecycle, changed, f"change {version}")
        if not waits:
            await gateway.run_until_idle()
    await gateway.run_until_idle()

    assert system.doubled == []
    row = gateway.row()
    active = {name: test for name, test in system.tests.items() if test["state"] not in ENDED}
    assert len(active) <= 1
    if row.phase in ACCEPTED_PHASES and row.external_id in active:
        assert row.sent is not None
        assert active[row.external_id]["description"] == row.sent.description
        updates = [event.data for event in gateway.published_events() if isinstance(event.data, RunUpdate)]
        accepted = [update.version for update in updates if update.kind is UpdateKind.CHANGE_ACCEPTED]
        assert row.accepted_version == max(accepted, default=1)
    if row.phase is not Phase.FALLOUT:
        assert {*active} <= {row.external_id}
