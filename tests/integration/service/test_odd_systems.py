"""A run that an odd external system stored is POSTed once, and a person hears that it is in doubt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from consumers.spokes.profile import RetrySettings
from schemas.vocabulary import UpdateKind
from tests.builders.runs import a_document
from tests.fixtures.odd_system import (
    an_odd_system,
    answers_nothing,
    finds_by_name,
    ignores_the_filter,
    links_without_quotes,
    shortens_names,
)
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.odd_system import OddSystem
    from tests.fixtures.service import ServiceUnderTest

QUICK = RetrySettings(initial_interval=0.1, backoff_coefficient=1.5, max_interval=0.5, max_attempts=6, max_elapsed=30)


@pytest.mark.parametrize("habit", [ignores_the_filter, links_without_quotes, shortens_names, answers_nothing])
async def test_a_run_that_an_odd_system_stored_is_posted_once(
    kafka_bootstrap: str,
    tmp_path: Path,
    habit: Any,  # noqa: ANN401 - a function of the fixture
) -> None:
    async with a_service(kafka_bootstrap, tmp_path, started=False) as service, an_odd_system(habit) as system:
        await start_with(service, system)
        await service.request(a_document("TR1"))
        letter = await service.wait_until(lambda: next(iter(service.dead_letters()), None), "the dead letter of TR1")
        assert letter.header("southbound-dlq-code") == "IN_DOUBT"
        assert len(system.runs) == 1

        def kinds() -> list[UpdateKind]:
            return [update.kind for update in service.updates("TR1")]

        # Updates are on another topic than dead letters, which this test may read later.
        await service.wait_until(lambda: UpdateKind.FALLOUT in kinds(), "the update about the fallout")
        assert [kinds()[0], kinds()[-1]] == [UpdateKind.IN_DOUBT, UpdateKind.FALLOUT]
        assert await service.stop()


async def test_a_stored_run_is_posted_once_whatever_status_answers_its_post(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    statuses = {f"TR{status}": status for status in (203, 300, 301, 302, 303, 304, 307, 308, 406, 417, 499, 500, 520)}
    async with (
        a_service(kafka_bootstrap, tmp_path, started=False) as service,
        an_odd_system(finds_by_name, statuses) as system,
    ):
        await start_with(service, system)
        for run_id in statuses:
            await service.request(a_document(run_id))

        def all_adopted() -> bool:
            return all(UpdateKind.ACCEPTED in [one.kind for one in service.updates(run_id)] for run_id in statuses)

        await service.wait_until(all_adopted, "the adoption of every run that was stored")
        assert system.posts() == dict.fromkeys(statuses, 1)  # a run was POSTed again and again
        assert service.dead_letters() == []
        assert await service.stop()


async def start_with(service: ServiceUnderTest, system: OddSystem) -> None:
    """Start the service with the odd system in the place of fibre-lab, and short pauses."""
    changed = {"base_url": system.base_url, "retry": QUICK, "settle_time": 1.0}
    profiles = tuple(
        profile.model_copy(update=changed if profile.name == "fibre-lab" else {}) for profile in service.rules.profiles
    )
    service.rules = replace(service.rules, profiles=profiles)
    await service.start()
