"""The service does not start where anyone who reaches the API could use it, whatever roles run beside it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from southbound.service.roles import Role
from southbound.service.serve import NotConfiguredError, NotReachableError, serve
from southbound.settings.access import AccessSettings
from southbound.settings.settings import ApiSettings, HealthSettings, KafkaSettings, Settings


def open_to_everyone(**access: Path) -> Settings:
    return Settings(
        api=ApiSettings(host="0.0.0.0", port=0),  # noqa: S104 - the service does not get as far
        access=AccessSettings(**access),
        health=HealthSettings(port=0),
        kafka=KafkaSettings(bootstrap="127.0.0.1:1", start_timeout=0.2),
    )


@pytest.mark.parametrize("roles", [(Role.API,), (Role.ROUTING, Role.API)])
async def test_the_service_refuses_to_start_with_an_open_api(roles: tuple[Role, ...]) -> None:
    with pytest.raises(NotConfiguredError, match=r"^the API is on 0.0.0.0, and anyone .* set access.keys or"):
        await serve(open_to_everyone(), roles, stop=asyncio.Event())


async def test_the_service_refuses_to_start_with_a_file_of_keys_that_is_not_there() -> None:
    with pytest.raises(NotConfiguredError, match=r"nowhere.yaml"):
        await serve(open_to_everyone(keys=Path("nowhere.yaml")), (Role.API,), stop=asyncio.Event())


async def test_a_process_without_the_api_starts_whatever_its_host() -> None:
    """It gets as far as Kafka, which is not there."""
    with pytest.raises(NotReachableError, match="Kafka"):
        await serve(open_to_everyone(), (Role.ROUTING,), stop=asyncio.Event())
