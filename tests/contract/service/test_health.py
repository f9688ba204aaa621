"""Probes report the actual state of the service, and Prometheus gets every metric of the closed list."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import pytest
from prometheus_client import Counter, Gauge
from prometheus_client.parser import text_string_to_metric_families

from consumers.inbound.connection_gate import ConnectionLimits
from consumers.inbound.listen_socket import CannotListenError
from consumers.metrics import METRICS, Metric, Metrics
from southbound.service import health
from southbound.service.health import HealthServer, is_local
from southbound.service.lanes_report import LanesReport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from southbound.service.health import HealthCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthProbe:
    """A client of a running health server."""

    server: HealthServer
    session: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(f"http://127.0.0.1:{self.server.port}{path}") as answer:
            return answer.status, await answer.text()

    async def ready(self) -> tuple[int, object]:
        async with self.session.get(f"http://127.0.0.1:{self.server.port}/health/ready") as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def a_probe(metrics: Metrics | None = None, **checks: HealthCheck) -> AsyncIterator[HealthProbe]:
    server = HealthServer(host="127.0.0.1", port=0, metrics=metrics or Metrics(), checks=checks)
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield HealthProbe(server=server, session=session)
    finally:
        await server.stop()


def own_address() -> str | None:
    """Return an address of this machine that is not loopback, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if is_local(address) else address


async def passes() -> str | None:
    return None


async def fails() -> str | None:
    return "the database is locked"


async def hangs() -> str | None:
    await asyncio.Event().wait()
    return None


async def breaks() -> str | None:
    raise ValueError("password=geheim")


async def test_a_check_that_raises_is_reported_by_type_beside_the_other_checks() -> None:
    async with a_probe(store=breaks, routing=fails) as probe:
        status, answer = await probe.ready()
    problems = {"store": "The check failed with ValueError: tell a developer", "routing": "the database is locked"}
    assert (status, answer) == (503, {"status": "not ready", "problems": problems, "warnings": {}})


async def test_it_is_ready_when_every_check_passes() -> None:
    async with a_probe(store=passes, routing=passes) as probe:
        assert await probe.ready() == (200, {"status": "ready", "problems": {}, "warnings": {}})


async def test_one_failed_check_makes_it_not_ready_and_its_message_is_reported() -> None:
    async with a_probe(store=fails, routing=passes) as probe:
        assert await probe.ready() == (
            503,
            {"status": "not ready", "problems": {"store": "the database is locked"}, "warnings": {}},
        )


async def test_a_check_that_hangs_fails_after_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_TIMEOUT", 0.05)
    async with a_probe(store=hangs, routing=fails) as probe, asyncio.timeout(60):
        assert await probe.ready() == (
            503,
            {
                "status": "not ready",
                "problems": {"store": "no answer within 0.05 s", "routing": "the database is locked"},
                "warnings": {},
            },
        )


async def test_a_warning_is_reported_and_leaves_it_ready() -> None:
    async with a_probe(store=passes) as probe:
        probe.server.warnings = lambda: {"outbound-policy": "still decided by the one before"}
        expected = {"problems": {}, "warnings": {"outbound-policy": "still decided by the one before"}}
        assert await probe.ready() == (200, {"status": "ready", **expected})


async def test_checks_may_be_replaced_while_the_server_runs() -> None:
    async with a_probe(start=fails) as probe:
        assert (await probe.ready())[0] == 503
        probe.server.checks = {"store": passes}
        assert (await probe.ready())[0] == 200


async def test_it_is_live_even_when_it_is_not_ready() -> None:
    async with a_probe(store=hangs) as probe, asyncio.timeout(60):
        assert await probe.get("/health/live") == (200, '{"status": "live"}')


async def test_prometheus_gets_every_metric_of_the_list_with_its_kind_meaning_and_labels() -> None:
    metrics = Metrics()
    for metric in METRICS:
        use_once(metrics, metric)
    async with a_probe(metrics) as probe:
        status, page = await probe.get("/metrics")
    assert status == 200
    families = {family.name: family for family in text_string_to_metric_families(page)}
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind.__name__.lower(), metric.meaning)
        assert family.samples[0].labels.items() >= dict.fromkeys(metric.labels, "any").items(), metric.name


async def test_the_tasks_of_the_event_loop_are_counted() -> None:
    async with a_probe() as probe:
        before = tasks_on(await probe.get("/metrics"))
        waiting = [asyncio.create_task(asyncio.sleep(60)) for _ in range(7)]
        after = tasks_on(await probe.get("/metrics"))
        for task in waiting:
            task.cancel()
    assert before >= 1
    assert after == before + 7


def tasks_on(answer: tuple[int, str]) -> int:
    return int(float(answer[1].partition("\nsouthbound_tasks ")[2].partition("\n")[0]))


async def test_a_port_that_is_taken_is_named() -> None:
    async with a_probe() as probe:
        second = HealthServer(host="127.0.0.1", port=probe.server.port, metrics=Metrics(), checks={})
        with pytest.raises(CannotListenError, match=str(probe.server.port)):
            await second.start()
        await second.stop()


def use_once(metrics: Metrics, metric: Metric) -> None:
    labels = ["any"] * len(metric.labels)
    if metric.kind is Counter:
        metrics.count(metric, *labels)
    elif metric.kind is Gauge:
        metrics.track(metric, lambda: 1.0, *labels)
    else:
        metrics.observe_duration(metric, 0.1, *labels)


async def test_health_answers_while_slow_half_requests_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    few = ConnectionLimits(total=10, per_peer=5, head_timeout=30.0)
    monkeypatch.setattr(health, "CONNECTION_LIMITS", few)
    async with a_probe(database=passes) as probe:
        opened = [await asyncio.open_connection("127.0.0.1", probe.server.port) for _ in range(40)]
        for _, writer in opened:
            writer.write(b"GET /health/ready HTTP/1.1\r\nX: ")
        async with asyncio.timeout(60):
            assert (await probe.get("/health/live"))[0] == 200
            assert (await probe.ready())[0] == 200
        for _, writer in opened:
            writer.transport.abort()


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.7", False),
        ("::ffff:10.0.0.7", False),
        ("", False),
        (None, False),
    ],
)
def test_only_loopback_is_this_machine(peer: str | None, local: bool) -> None:  # noqa: FBT001 - a table of claims
    assert is_local(peer) is local


async def test_lanes_are_served_as_the_command_reads_them() -> None:
    async with a_probe() as probe:
        status, text = await probe.get("/debug/lanes?key=TR1")
    assert status == 200
    assert LanesReport.model_validate_json(text).workers == ()


@pytest.mark.parametrize(("debug_for_all", "status"), [(False, 403), (True, 200)])
async def test_lanes_are_served_to_another_machine_only_where_a_setting_says_so(
    debug_for_all: bool,  # noqa: FBT001 - a table of claims
    status: int,
) -> None:
    if (address := own_address()) is None:
        pytest.skip("this machine has no address but loopback")
    server = HealthServer(host="0.0.0.0", port=0, metrics=Metrics(), checks={}, debug_for_all=debug_for_all)  # noqa: S104 - as in a container
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{address}:{server.port}/debug/lanes") as answer:
                assert answer.status == status
            async with session.get(f"http://{address}:{server.port}/health/live") as answer:
                assert answer.status == 200
    finally:
        await server.stop()
