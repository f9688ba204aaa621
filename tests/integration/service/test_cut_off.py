"""A process that Kafka no longer hears stops sending in time, and is not ready."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from consumers.runtime import broker_check
from consumers.runtime.kafka.membership import proof_duration
from consumers.spokes.aiohttp_transport import AiohttpTransport
from consumers.spokes.port import do_nothing
from southbound.service.roles import Role
from tests.builders.runs import a_document
from tests.fixtures.kafka_proxy import a_kafka_proxy
from tests.fixtures.service import a_service
from tests.integration.service.test_startup import get_json

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from consumers.spokes.port import BeforeCall
    from consumers.spokes.transport import HttpRequest
    from router.responses import HttpResponse, NoResponse

SESSION = 6.0
RUNS = 400


async def test_no_post_leaves_later_than_the_last_proof_of_membership_allows(
    kafka_bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posts: list[float] = []  # when each left; when it arrives depends on how busy the machine is
    send = AiohttpTransport.send

    async def recorded(
        self: AiohttpTransport, request: HttpRequest, before: BeforeCall = do_nothing
    ) -> HttpResponse | NoResponse:
        async def note_after() -> None:
            await before()
            if request.method == "POST" and request.url.endswith("/serviceTest"):  # the system sends notifications, too
                posts.append(time.monotonic())

        return await send(self, request, note_after)

    monkeypatch.setattr(AiohttpTransport, "send", recorded)
    async with (
        a_service(kafka_bootstrap, tmp_path, started=False) as service,
        a_kafka_proxy(kafka_bootstrap) as proxy,
    ):
        client = {"session.timeout.ms": int(SESSION * 1000), "heartbeat.interval.ms": 1000}
        kafka = service.settings.kafka.model_copy(update={"bootstrap": proxy.bootstrap, "client": client})
        service.settings = service.settings.model_copy(update={"kafka": kafka})
        slow = (profile.model_copy(update={"concurrency": 2}) for profile in service.rules.profiles)
        service.rules = replace(service.rules, profiles=tuple(slow))
        service.systems["fibre-lab"]._latency = 0.1  # more than a session of POSTs is left when the proxy stops
        await service.start()
        await service.request(*(a_document(f"TR{number:04}") for number in range(RUNS)))
        await service.wait_until(lambda: len(posts) >= 20, "20 POSTs")
        proxy.requests = proxy.responses = False
        cut_at = time.monotonic()
        await service.wait_until(lambda: time.monotonic() > cut_at + 1.5 * SESSION, "one and a half sessions")
        last, sent = posts[-1], len(posts)
        proxy.requests = proxy.responses = True
        assert last - cut_at < proof_duration(SESSION) + 0.2
        assert last > cut_at  # there was something to send
        assert sent < RUNS


async def test_fault_a_role_without_a_worker_is_not_ready_while_no_broker_answers(
    kafka_bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_check, "UNREADY_AFTER", 2.0)
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(a_kafka_proxy(kafka_bootstrap))
        ports: list[int] = []
        for role in (Role.LISTENER, Role.POLLER, Role.API):
            (folder := tmp_path / role).mkdir()
            service = await stack.enter_async_context(a_service(kafka_bootstrap, folder, started=False))
            kafka = service.settings.kafka.model_copy(update={"bootstrap": proxy.bootstrap})
            service.settings = service.settings.model_copy(update={"kafka": kafka})
            ports.append((await service.start([role])).health_port)
        for port in ports:
            await wait_for_status(port, 200)
        proxy.requests = proxy.responses = False
        for port in ports:
            assert "no broker has answered the publisher" in str((await wait_for_status(port, 503))["problems"])
        proxy.requests = proxy.responses = True
        for port in ports:
            await wait_for_status(port, 200)


async def wait_for_status(port: int, status: int) -> dict[str, object]:
    # librdkafka waits for a minute for the answers that were dropped, before it connects anew.
    async with asyncio.timeout(150):
        while True:
            found, answer = await asyncio.to_thread(get_json, port, "/health/ready")
            if found == status:
                return answer
