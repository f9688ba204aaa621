"""A system whose GETs hang delays neither the results of another system nor its own POSTs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp

from consumers.spokes.profile import Timeouts
from southbound.simulator.behaviours import completes_by_callback
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.hanging_system import a_hanging_system
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.service import ServiceUnderTest

HANGING_RUNS = 400
# Seconds: a GET that hangs lasts longer than anything else may take on a busy machine, and than the test.
HANGS, WITHIN = 600.0, 60.0


async def send_thin_events(service: ServiceUnderTest) -> None:
    """Send an event without state or measures about each run of the hanging system, so that each is read."""
    url = f"http://127.0.0.1:{service.settings.listener.port}/fibre-lab/listener"
    async with aiohttp.ClientSession() as session:

        async def send(number: int) -> None:
            event = {"serviceTest": {"id": f"ext-{number + 1}"}}
            body = {"eventId": f"E{number}", "eventType": "ServiceTestAttributeValueChangeEvent", "event": event}
            async with session.post(url, json=body) as answer:
                assert answer.status == 201

        await asyncio.gather(*map(send, range(HANGING_RUNS)))


async def test_one_hanging_system_of_two_delays_neither_the_other_nor_its_own_posts(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    script = Script(default=completes_by_callback(0.1))
    async with (
        a_service(kafka_bootstrap, tmp_path, script=script, started=False) as service,
        a_hanging_system() as system,
    ):
        hanging = {"base_url": system.base_url, "timeouts": Timeouts(connect=60, read=HANGS, total=HANGS)}
        profiles = tuple(
            profile.model_copy(update=hanging) if profile.name == "fibre-lab" else profile
            for profile in service.rules.profiles
        )
        service.rules = replace(service.rules, profiles=profiles)
        await service.start()
        await service.request(*(a_document(f"HANGS-{number}") for number in range(HANGING_RUNS)))
        await service.wait_until(lambda: len(service.updates()) >= HANGING_RUNS, "the runs of the hanging system")
        await send_thin_events(service)
        await service.wait_until(lambda: system.reads >= 10, "GETs that hang")
        others = [f"OTHER-{number}" for number in range(20)]
        await service.request(*(a_document(run, spec="copper-line") for run in others), a_document("LATE"))
        ended = {*others}
        await service.wait_until(
            lambda: ended <= {result.run_id for result in service.results()}, "the results of the other system", WITHIN
        )
        await service.wait_until(lambda: service.updates("LATE"), "a POST to the hanging system", WITHIN)
        assert system.unanswered >= 10  # still
