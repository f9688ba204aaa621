"""A system with words, a charset, numbers and lists of its own is served by a profile alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consumers.spokes.profile import Profile
from schemas.lifecycle import RunCancelled
from schemas.run_document import RequestedMeasure
from schemas.vocabulary import Result, RunState, UpdateKind
from tests.builders.runs import a_document
from tests.fixtures.latin_system import PROFILE, a_latin_system
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.run_document import RunDocument


def _document(run_id: str) -> RunDocument:
    measure = RequestedMeasure(id="M1", metric_name="dämpfung")
    return a_document(run_id, name=f"Prüfung {run_id}").model_copy(update={"test_measure": (measure,)})


async def test_a_system_that_differs_in_everything_is_served_by_its_profile(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with (
        a_service(kafka_bootstrap, tmp_path, started=False) as service,
        a_latin_system(loses="TR2", waits="TR3") as system,
    ):
        profile = Profile.model_validate(PROFILE | {"name": "fibre-lab", "base_url": system.base_url})
        others = (each for each in service.rules.profiles if each.name != profile.name)
        service.rules = replace(service.rules, profiles=(profile, *others))
        await service.start()
        for run_id in ("TR1", "TR2", "TR3"):
            await service.request(_document(run_id))
        for run_id in ("TR1", "TR2"):
            result = await service.result_of(run_id)
            assert (result.state, result.result, result.test_measure[0].value) == (
                RunState.COMPLETED,
                Result.PASS,
                1012.5,
            )

        def is_accepted() -> bool:
            return UpdateKind.ACCEPTED in [update.kind for update in service.updates("TR3")]

        await service.wait_until(is_accepted, "the acceptance of TR3")
        await service.publish(RunCancelled(run_id="TR3", root_run_id="TR3", reason="nobody needs it"))
        assert (await service.result_of("TR3")).state is RunState.CANCELLED
        names = sorted(order["bezeichnung"] for order in system.orders.values())
        # An answer was lost, and nothing was POSTed twice, nor were the names misread.
        assert [name.rpartition(" ")[0] for name in names] == ["Prüfung"] * 3
        assert [letter.header("southbound-dlq-reason") for letter in service.dead_letters()] == []
        assert await service.stop()
