"""A change that a system accepts for later is told as what became of it, and the next change is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consumers.spokes.profile import RetrySettings
from schemas.lifecycle import RunChanged
from schemas.vocabulary import UpdateKind
from tests.builders.runs import a_document
from tests.fixtures.process_system import a_process_system
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

QUICK = RetrySettings(initial_interval=0.1, backoff_coefficient=1.5, max_interval=0.5, max_attempts=6, max_elapsed=30)
ENDS = {
    "TR1": ("fast", UpdateKind.CHANGE_ACCEPTED, None),
    "TR2": ("refuse", UpdateKind.CHANGE_REFUSED, "the port is locked"),
    "TR3": ("ignore", UpdateKind.CHANGE_REFUSED, "without the change"),
}


async def test_the_end_of_the_process_is_what_is_told_of_the_change(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_service(kafka_bootstrap, tmp_path, started=False) as service, a_process_system() as system:
        changed = {
            "base_url": system.base_url,
            "retry": QUICK,
            "settle_time": 1.0,
            "patchable": frozenset({"description"}),
            "follow_changes": True,
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
        assert service.dead_letters() == []
        assert await service.stop()
