"""The service does not start where anyone who reaches the listener could report results."""

from __future__ import annotations

import asyncio

import pytest

from southbound.service.roles import Role
from southbound.service.serve import NotConfiguredError, NotReachableError, serve
from southbound.settings.settings import HealthSettings, KafkaSettings, ListenerSettings, Settings


@pytest.mark.parametrize("roles", [tuple(Role), (Role.LISTENER,)])
async def test_the_service_refuses_to_start_with_open_callbacks(roles: tuple[Role, ...]) -> None:
    with pytest.raises(NotConfiguredError, match=r"copper-lab.*callback_auth"):
        await serve(listening_everywhere(), roles, stop=asyncio.Event())


async def test_a_process_without_listener_starts_whatever_the_host() -> None:
    """It gets as far as Kafka, which is not there."""
    with pytest.raises(NotReachableError, match="Kafka"):
        await serve(listening_everywhere(), (Role.ROUTING,), stop=asyncio.Event())


def listening_everywhere() -> Settings:
    return Settings(
        listener=ListenerSettings(host="0.0.0.0", port=0),  # noqa: S104 - the service does not get as far
        health=HealthSettings(port=0),
        kafka=KafkaSettings(bootstrap="127.0.0.1:1", start_timeout=0.2),
    )
