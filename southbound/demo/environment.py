"""What the demo runs on: topics of its own, two external systems, the service."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import SecretStr

from consumers.northbound.writeback.target import WritebackTarget
from schemas.topics import TopicNames, all_topics
from southbound.broker.server import reserve_port
from southbound.demo.scenarios import DESK_TENANT
from southbound.operations.topic_admin import TopicAdmin
from southbound.service.load_rules import load_rules
from southbound.service.roles import Role
from southbound.service.serve import RunningService, serve
from southbound.settings.settings import RoutingSettings, StoreSettings
from southbound.simulator.external_system import ExternalSystem
from southbound.simulator.instance.service_now import ServiceNowInstance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from schemas.topics import Topic
    from southbound.service.load_rules import RoutingRules
    from southbound.settings.settings import Settings
    from southbound.simulator.instance.run_table import RunTable
    from southbound.simulator.request_log import RequestLog


SHIPPED_ROUTING = RoutingSettings()  # the scenarios need the shipped tables and profiles
ROLES = (Role.ROUTING, Role.DISPATCH, Role.INBOUND, Role.LISTENER, Role.WRITEBACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoEnvironment:
    """The running service and systems of a demo."""

    running: RunningService
    request_logs: dict[str, RequestLog]
    run_table: RunTable
    topics: TopicNames
    servers: str


@asynccontextmanager
async def open_environment(
    settings: Settings, bootstrap: str, demo_id: str, folder: Path
) -> AsyncIterator[DemoEnvironment]:
    """Start the systems and the service on topics of their own; stop and delete everything at the end."""
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(reserve_port())
        rules = load_rules(SHIPPED_ROUTING)
        systems = [
            await stack.enter_async_context(
                ExternalSystem(name=profile.name, callback_url=f"http://{listener.address}/{profile.name}/listener")
            )
            for profile in rules.profiles
        ]
        instance = await stack.enter_async_context(ServiceNowInstance())
        demo_settings = _demo_settings(settings, bootstrap, demo_id, listener.port, folder)
        topics = all_topics(demo_settings.kafka.prefix, [system.name for system in systems])
        admin = TopicAdmin({"bootstrap.servers": bootstrap, **demo_settings.kafka.overrides()})
        await _create_topics(stack, admin, topics)
        rules = replace(_with_base_urls(rules, systems), targets=(_desk(instance),))
        running = await stack.enter_async_context(_run_service(demo_settings, rules, admin))
        yield DemoEnvironment(
            running=running,
            request_logs={system.name: system.request_log for system in systems},
            run_table=instance.table,
            topics=TopicNames(demo_settings.kafka.prefix),
            servers=bootstrap,
        )


async def _create_topics(stack: AsyncExitStack, admin: TopicAdmin, topics: Sequence[Topic]) -> None:
    """Create topics, and delete them at the end, also if Ctrl-C comes while they are created."""
    created = asyncio.ensure_future(asyncio.to_thread(lambda: admin.apply(admin.plan(topics))))

    async def delete() -> None:
        await asyncio.gather(created, return_exceptions=True)
        await asyncio.to_thread(admin.delete_topics, topics)

    stack.push_async_callback(delete)
    await asyncio.shield(created)


@asynccontextmanager
async def _run_service(settings: Settings, rules: RoutingRules, admin: TopicAdmin) -> AsyncIterator[RunningService]:
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(settings, ROLES, stop=stop, rules=rules, on_ready=ready.set_result))
    try:
        await asyncio.wait([serving, ready], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()  # it could not start: raises the reason
        yield ready.result()
    finally:
        stop.set()
        if not ready.done():
            serving.cancel()  # it checks `stop` only after the start
        try:
            await serving
        finally:
            if ready.done():
                groups = [settings.kafka.group_of(role) for role in ready.result().workers]
                await asyncio.to_thread(admin.delete_groups, groups)


def _demo_settings(settings: Settings, bootstrap: str, demo_id: str, port: int, folder: Path) -> Settings:
    prefix = f"{settings.kafka.prefix}demo-{demo_id}."
    kafka = settings.kafka.model_copy(update={"bootstrap": bootstrap, "prefix": prefix, "group": prefix + "southbound"})
    # Never a configured store: it belongs to another gateway.
    store = StoreSettings(url=SecretStr(f"sqlite:///{folder / 'demo.db'}"))
    return settings.model_copy(
        update={
            "kafka": kafka,
            "routing": SHIPPED_ROUTING,
            "store": store,
            "listener": settings.listener.model_copy(update={"host": "127.0.0.1", "port": port}),
            "health": settings.health.model_copy(update={"port": 0}),
        }
    )


def _desk(instance: ServiceNowInstance) -> WritebackTarget:
    return WritebackTarget(name="service-desk", base_url=instance.base_url, tenants=frozenset({DESK_TENANT}))


def _with_base_urls(rules: RoutingRules, systems: list[ExternalSystem]) -> RoutingRules:
    urls = {system.name: system.base_url for system in systems}
    profiles = [profile.model_copy(update={"base_url": urls[profile.name]}) for profile in rules.profiles]
    return replace(rules, profiles=tuple(profiles))
