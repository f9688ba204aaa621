"""A run passes through the whole service, from its request to its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from consumers.spokes.port import do_nothing
from consumers.spokes.session_transport import SessionTransport
from router.timeline.entries import HttpAttempt, StateChange
from schemas.vocabulary import Phase, RunState, UpdateKind
from southbound.settings.settings import HttpSettings, RoutingSettings
from tests.builders.runs import a_document, a_tree
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from consumers.spokes.port import BeforeCall
    from consumers.spokes.transport import HttpRequest
    from router.responses import HttpResponse, NoResponse
    from router.timeline.entries import TimelineEntry
    from schemas.results import RunResult
    from tests.fixtures.service import ServiceUnderTest

BUNDLES = """
table: outbound-policy
policy: first
inputs: [{name: spec, path: test_specification.id, type: string}]
outputs:
  - {name: hierarchical, type: boolean}
  - {name: payload, type: string, values: [per-run, bundle]}
rows: [{id: R1, when: {spec: nothing}, then: {hierarchical: false, payload: per-run}}]
default: {hierarchical: true, payload: bundle}
"""


async def test_a_run_and_a_hierarchy_get_their_results(service: ServiceUnderTest) -> None:
    await service.request(a_document("TR1", measures=("TM1",)), a_tree("TREE"))
    result = await service.result_of("TR1")
    assert (result.state, [measure.id for measure in result.test_measure]) == (RunState.COMPLETED, ["TM1"])
    closing = await service.wait_until(
        lambda: [r for r in service.request_results() if r.root_run_id == "TREE"], "TREE"
    )
    assert closing[0].counts == {"completed": 4}
    assert await service.stop()
    timeline = await timeline_of("TR1", service)
    assert [(each.method, each.status) for each in timeline if isinstance(each, HttpAttempt)] == [("POST", 201)]
    phases = [each.phase for each in timeline if isinstance(each, StateChange)]
    assert (phases[:2], phases[-1]) == ([Phase.ROUTED, Phase.SENDING], Phase.FULFILLED)


async def timeline_of(run_id: str, service: ServiceUnderTest) -> Sequence[TimelineEntry]:
    """Read the timeline of a run from the store."""
    store = await service.store()
    try:
        return await store.timelines.read(run_id)
    finally:
        await store.close()


async def test_a_run_gets_its_result_over_a_plain_client_session(
    kafka_bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[HttpRequest] = []
    send = SessionTransport.send

    async def recorded(
        self: SessionTransport, request: HttpRequest, before: BeforeCall = do_nothing
    ) -> HttpResponse | NoResponse:
        sent.append(request)
        return await send(self, request, before)

    monkeypatch.setattr(SessionTransport, "send", recorded)
    async with a_service(kafka_bootstrap, tmp_path, http=HttpSettings(transport="session")) as service:
        await service.request(a_document("TR1", measures=("TM1",)))
        assert (await service.result_of("TR1")).state is RunState.COMPLETED
        assert [request.method for request in sent] == ["POST"]


async def test_a_bundle_is_one_post_and_every_run_of_it_has_its_own_result(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(BUNDLES)
    async with a_service(kafka_bootstrap, tmp_path, routing=RoutingSettings(policy=policy)) as service:
        await service.request(a_tree("TREE"))
        closing = (await service.wait_until(service.request_results, "the result of the bundle"))[0]
        assert closing.counts == {"completed": 4}
        (post,) = service.systems["fibre-lab"].request_log.posts()
        assert len(orjson.loads(post.body)["childServiceTest"]) == 3
        # The request's result may arrive before the result of a run.
        results = await service.wait_until(lambda: _wait_for_four_results(service), "four results")
        assert len({result.external_id for result in results}) == 4


async def test_a_hierarchy_that_stays_incomplete_is_given_up_and_a_late_child_still_gets_it_sent(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with a_service(kafka_bootstrap, tmp_path, routing=RoutingSettings(children_deadline=0.4)) as service:
        await service.request(a_document("TREE", spec="fibre-tree", child_run_ids=("C1",)))
        (update,) = await service.wait_until(lambda: service.updates("TREE"), "it is given up")
        assert (update.kind, update.phase) == (UpdateKind.FALLOUT, Phase.FALLOUT)
        assert [reason.code for reason in update.reasons] == ["CHILDREN_MISSING"]
        await service.request(a_document("C1", spec="fibre-tree-child", parent="TREE"))
        assert (await service.result_of("C1")).state is RunState.COMPLETED


def _wait_for_four_results(service: ServiceUnderTest) -> list[RunResult]:
    results = service.results()
    return results if len({result.run_id for result in results}) == 4 else []
