"""A system that knows no callback address learns it from the service, and a run gets its result by a callback."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp

from consumers.spokes.conventions.hub_settings import HubRegistrationSettings
from consumers.spokes.credentials import CallbackToken
from schemas.vocabulary import RunState
from southbound.simulator.behaviours import completes_by_callback
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.fixtures.service import ServiceUnderTest

TOKEN = "a-token-that-nobody-guesses"  # noqa: S105 - a test value


def register(service: ServiceUnderTest) -> None:
    """Let the system forget the address that the fixture gave it, and let its profile register it."""
    service.systems["fibre-lab"].notifications.subscriptions.clear()
    address = f"http://127.0.0.1:{service.settings.listener.port}"
    listener = service.settings.listener.model_copy(update={"public_url": address})
    service.settings = service.settings.model_copy(update={"listener": listener})
    hub = HubRegistrationSettings.model_validate({"register": True, "credentials": "url", "remove_at_stop": True})
    profiles = tuple(
        profile.model_copy(update={"hub": hub, "callback_auth": CallbackToken(token="env:HUB_TOKEN")})  # noqa: S106 - where it is
        if profile.name == "fibre-lab"
        else profile
        for profile in service.rules.profiles
    )
    service.rules = replace(service.rules, profiles=profiles)


async def test_a_run_gets_its_result_from_a_system_that_learned_the_address_by_itself(
    kafka_bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_TOKEN", TOKEN)
    script = Script(default=completes_by_callback(0.1))
    async with a_service(kafka_bootstrap, tmp_path, script=script, started=False) as service:
        register(service)
        known = service.systems["fibre-lab"].notifications.subscriptions
        running = await service.start()
        await service.wait_until(lambda: known, "the registration")
        await service.request(a_document("TR1"))
        assert (await service.result_of("TR1")).state is RunState.COMPLETED
        async with aiohttp.ClientSession() as session:
            health = f"http://127.0.0.1:{running.health_port}"
            async with session.get(f"{health}/health/ready") as answer:
                assert (await answer.json())["warnings"] == {}
            async with session.get(f"{health}/metrics") as answer:
                metrics = await answer.text()
        assert 'southbound_hub_registered{spoke="fibre-lab"} 1.0' in metrics
        assert 'southbound_hub_registrations_total{outcome="registered",spoke="fibre-lab"} 1.0' in metrics
        assert 'southbound_callbacks_total{outcome="stored",spoke="fibre-lab"}' in metrics
        assert TOKEN not in metrics
        assert await service.stop()
        assert not known
