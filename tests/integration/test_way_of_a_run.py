"""A run's way through the whole service, from its order to its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.vocabulary import RunState
from tests.builders import a_document, a_tree

if TYPE_CHECKING:
    from tests.fixtures.service import Service


async def test_a_run_and_a_hierarchy_come_back_with_their_results(service: Service) -> None:
    await service.request(a_document("TR1", measures=("TM1",)), a_tree("TREE"))
    result = await service.result_of("TR1")
    assert (result.state, [measure.id for measure in result.test_measure]) == (RunState.COMPLETED, ["TM1"])
    closing = await service.until(lambda: [r for r in service.request_results() if r.root_run_id == "TREE"], "TREE")
    assert closing[0].counts == {"completed": 4}
    assert await service.stop()
