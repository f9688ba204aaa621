"""A starting service reports what it waits for, and needs only what its roles need."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from pydantic import SecretStr

from schemas.topics import TopicNames
from southbound.broker.server import reserve_port
from southbound.service.roles import Role, TopicScope, topics_for_roles
from southbound.service.serve import NotReachableError, serve
from southbound.settings.settings import HealthSettings, KafkaSettings, Settings, StoreSettings

if TYPE_CHECKING:
    from pathlib import Path

SCOPE = TopicScope(names=TopicNames("p."), spokes=["fibre-lab"])


def get_json(port: int, path: str) -> tuple[int, dict[str, object]]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as refusal:
        return refusal.code, json.load(refusal)
    except OSError:
        return 0, {}


async def wait_for_response(port: int, path: str) -> tuple[int, dict[str, object]]:
    async with asyncio.timeout(60):
        while not (answer := await asyncio.to_thread(get_json, port, path))[0]:  # noqa: ASYNC110 - polls as a probe does
            await asyncio.sleep(0.02)
    return answer


async def test_probes_are_answered_while_the_service_waits_for_kafka(tmp_path: Path) -> None:
    with reserve_port() as unused, reserve_port() as health:
        settings = Settings(
            kafka=KafkaSettings(bootstrap=unused.address, start_timeout=600.0),
            store=StoreSettings(url=SecretStr(f"sqlite:///{tmp_path}/runs.db")),
            health=HealthSettings(port=health.port),
        )
        serving = asyncio.create_task(serve(settings, [Role.ROUTING], stop=asyncio.Event()))
        assert await wait_for_response(health.port, "/health/live") == (200, {"status": "live"})
        status, answer = await asyncio.to_thread(get_json, health.port, "/health/ready")
        assert status == 503
        assert "waiting" in json.dumps(answer)
        serving.cancel()
        await asyncio.wait([serving])
        soon = settings.kafka.model_copy(update={"start_timeout": 0.5})
        with pytest.raises(NotReachableError, match=unused.address):
            await serve(settings.model_copy(update={"kafka": soon}), [Role.ROUTING], stop=asyncio.Event())


def test_a_role_needs_only_the_topics_that_it_reads_and_writes() -> None:
    assert topics_for_roles([Role.LISTENER], SCOPE) == {"p.testrun.inbound"}
    dispatch = topics_for_roles([Role.DISPATCH], SCOPE)
    assert "p.testrun.dispatch.fibre-lab" in dispatch
    assert not dispatch & {"p.testrun.lifecycle", "p.testrun.inbound", "p.testrun.tables"}
