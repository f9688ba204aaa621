"""Answers that contradict what a system did end, change and cancel no run, and lead to no second run, over Kafka."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consumers.spokes.profile import CancelMethod, RetrySettings
from schemas.lifecycle import RunCancelled, RunChanged
from schemas.vocabulary import UpdateKind
from tests.builders.runs import a_document
from tests.fixtures.misanswering_system import BUSY, ERROR_OF_CHANGE, EXISTS, OTHER_CANCELLED, a_misanswering_system
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

QUICK = RetrySettings(initial_interval=0.1, backoff_coefficient=1.5, max_interval=0.5, max_attempts=8, max_elapsed=30)
ALL = (BUSY, EXISTS, ERROR_OF_CHANGE, OTHER_CANCELLED)


async def test_what_a_system_answers_wrongly_is_not_told_as_it_is_answered(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with (
        a_service(kafka_bootstrap, tmp_path, started=False) as service,
        a_misanswering_system() as system,
    ):
        changed = {
            "base_url": system.base_url,
            "retry": QUICK,
            "settle_time": 2.0,
            "patchable": frozenset({"description"}),
            "cancel": CancelMethod.PATCH,
        }
        profiles = (each.model_copy(update=changed) for each in service.rules.profiles if each.name == "fibre-lab")
        service.rules = replace(service.rules, profiles=tuple(profiles))
        await service.start()

        async def told(run_id: str, kind: UpdateKind) -> None:
            await service.wait_until(
                lambda: kind in [each.kind for each in service.updates(run_id)], f"{kind} of {run_id}"
            )

        await service.request(*(a_document(run_id, description="slow") for run_id in ALL))
        for run_id in ALL:
            await told(run_id, UpdateKind.ACCEPTED)
        assert sorted(system.posts) == sorted([*ALL, BUSY])  # 503 says that nothing was done
        await service.publish(
            RunChanged(run=a_document(ERROR_OF_CHANGE, version=2, description="fast")),
            RunCancelled(run_id=OTHER_CANCELLED, root_run_id=OTHER_CANCELLED),
        )
        await told(ERROR_OF_CHANGE, UpdateKind.CHANGE_REFUSED)
        await told(OTHER_CANCELLED, UpdateKind.CANCEL_REFUSED)
        assert service.dead_letters() == []
