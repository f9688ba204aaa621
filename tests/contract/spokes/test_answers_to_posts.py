"""Over HTTP: a run that a system stored is POSTed once, whatever status it answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumers.spokes.http_client import SpokeClient
from consumers.spokes.port import admit_all, do_nothing
from consumers.spokes.profile import Profile
from schemas.vocabulary import Phase
from tests.builders.runs import a_document
from tests.fakes.external_system import FakeSystem
from tests.fixtures.odd_system import an_odd_system, answers_nothing, finds_by_name
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.spokes.port import Admit, BeforeCall, Call
    from router.responses import HttpResponse, NoResponse
    from tests.fixtures.odd_system import OddSystem

PERHAPS_PERFORMED = (203, 205, 226, 300, 301, 302, 303, 304, 305, 307, 308, 399, 406, 408, 417, 460, 499, 500, 520)


class OverHttp(FakeSystem):
    """Makes each call over HTTP."""

    def __init__(self, client: SpokeClient) -> None:
        super().__init__()
        self.client = client

    async def call(
        self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
    ) -> HttpResponse | NoResponse:
        return await self.client.call(spoke, call, before, admit)


async def request_a_run(system: OddSystem) -> InMemoryGateway:
    """Process the request of one run, until it is sent or given up."""
    client = SpokeClient([Profile(name="fibre-lab", base_url=system.base_url)], {})
    gateway = InMemoryGateway(system=OverHttp(client))
    try:
        await gateway.process_request(a_document())
    finally:
        await client.close()
    return gateway


@pytest.mark.parametrize("status", PERHAPS_PERFORMED)
async def test_a_stored_run_is_looked_up_and_adopted(status: int) -> None:
    async with an_odd_system(finds_by_name, {"TR0001": status}) as system:
        gateway = await request_a_run(system)
        assert system.posts() == {"TR0001": 1}
        assert (gateway.row().phase, gateway.row().external_id) == (Phase.ACCEPTED, "ext-1")


@pytest.mark.parametrize("status", PERHAPS_PERFORMED)
async def test_a_stored_run_that_no_look_up_shows_is_not_posted_again(status: int) -> None:
    async with an_odd_system(answers_nothing, {"TR0001": status}) as system:
        gateway = await request_a_run(system)
        assert system.posts() == {"TR0001": 1}
        assert gateway.dead_letter_codes() == ["IN_DOUBT"]
