"""A change that a system accepts for later is told as what became of it, and the next change is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consumers.spokes.profile import ChildChange, RetrySettings
from schemas.lifecycle import RunChanged
from schemas.vocabulary import UpdateKind
from southbound.settings.settings import RoutingSettings
from tests.builders.runs import a_document, a_tree
from tests.fixtures.process_system import a_process_system
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

QUICK = RetrySettings(initial_interval=0.1, backoff_coefficient=1.5, max_interval=0.5, max_attempts=6, max_elapsed=30)
POLICY = """
table: outbound-policy
policy: first
inputs: [{name: spec, path: test_specification.id, type: string}]
outputs:
  - {name: hierarchical, type: boolean}
  - {name: payload, type: string, values: [per-run, bundle]}
rows: [{id: R1, when: {spec: fibre-tree}, then: {hierarchical: true, payload: bundle}}]
default: {hierarchical: false, payload: per-run}
"""
ENDS = {
    "TR1": ("fast", UpdateKind.CHANGE_ACCEPTED, None),
    "TR2": ("refuse", UpdateKind.CHANGE_REFUSED, "the port is locked"),
    "TR3": ("ignore", UpdateKind.CHANGE_REFUSED, "without the change"),
}


async def test_the_end_of_the_process_is_what_is_told_of_the_change(kafka_bootstrap: str, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    routing = RoutingSettings(policy=policy)
    async with (
        a_service(kafka_bootstrap, tmp_path, routing=routing, started=False) as service,
        a_process_system() as system,
    ):
        changed = {
            "base_url": system.base_url,
            "retry": QUICK,
            "settle_time": 1.0,
            "patchable": frozenset({"description"}),
            "follow_changes": True,
            "children_changed_in": ChildChange.ROOT,
        }
        profiles = (each.model_copy(update=changed) for each in service.rules.profiles if each.name == "fibre-lab")
        service.rules = replace(service.rules, profiles=tuple(profiles))
        await service.start()
        await service.request(*(a_document(run_id, description="slow") for run_id in ENDS))

        async def answered(run_id: str, version: int) -> UpdateKind:
            kinds = (UpdateKind.ACCEPTED, UpdateKind.CHANGE_ACCEPTED, UpdateKind.CHANGE_REFUSED)
            update = await service.wait_until(
                lambda: next((u for u in service.updates(run_id) if u.version == version and u.kind in kinds), None),
                f"the answer to version {version} of {run_id}",
            )
            return update.kind

        for run_id in ENDS:
            assert await answered(run_id, 1) is UpdateKind.ACCEPTED
        await service.publish(
            *(RunChanged(run=a_document(run_id, version=2, description=to)) for run_id, (to, _, _) in ENDS.items())
        )
        for run_id, (_, kind, message) in ENDS.items():
            assert await answered(run_id, 2) is kind
            reasons = [r.message for u in service.updates(run_id) if u.version == 2 for r in u.reasons]
            assert message is None or any(message in each for each in reasons)
        await service.publish(*(RunChanged(run=a_document(run_id, version=3, description="last")) for run_id in ENDS))
        assert [await answered(run_id, 3) for run_id in ENDS] == [UpdateKind.CHANGE_ACCEPTED] * 3
        assert {test["description"] for test in system.tests.values()} == {"last"}
        assert system.patches == 2 * len(ENDS)

        bundle = a_tree("TRB", spec="fibre-tree", children=2)
        first = bundle.children[0].model_copy(update={"version": 2, "description": "fast"})
        await service.request(bundle)
        assert await answered("TRB-1", 1) is UpdateKind.ACCEPTED
        await service.publish(
            RunChanged(run=bundle.model_copy(update={"version": 2, "children": (first, bundle.children[1])}))
        )
        assert await answered("TRB-1", 2) is UpdateKind.CHANGE_ACCEPTED
        (changed_root,) = [each["test"] for each in system.processes.values() if "childServiceTest" in each["body"]]
        assert system.tests[changed_root]["name"].endswith("TRB")
        assert service.dead_letters() == []
        assert await service.stop()
