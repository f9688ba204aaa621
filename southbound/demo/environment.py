"""What the demo runs on: topics of its own, two external systems, a ServiceNow instance with its desk, the service."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from pydantic import SecretStr

from consumers.northbound.access.api_keys import digest_of, generate_key
from consumers.northbound.writeback.target import WritebackTarget
from schemas.topics import TopicNames, all_topics
from southbound.broker.server import reserve_port
from southbound.demo.service_desk import API_VERSION, KEY_HEADER, ServiceDesk
from southbound.operations.topic_admin import TopicAdmin
from southbound.service.load_rules import load_rules
from southbound.service.roles import Role
from southbound.service.serve import RunningService, serve
from southbound.settings.access import AccessSettings
from southbound.settings.hub import HubSettings
from southbound.settings.servicenow import ServiceNowSettings
from southbound.settings.settings import ApiSettings, RoutingSettings, StoreSettings
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
ROLES = (Role.ROUTING, Role.DISPATCH, Role.INBOUND, Role.LISTENER, Role.API, Role.HUB, Role.WRITEBACK)
DESK = "service-desk"  # its client, its tenant, and the target for the runs of this tenant
PUBLISH_TIMEOUT = 20.0  # seconds: the first order also finds the topic


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoEnvironment:
    """The running service and systems of a demo."""

    running: RunningService
    request_logs: dict[str, RequestLog]
    run_table: RunTable
    desk: ServiceDesk
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
        api_key = generate_key()
        desk = await stack.enter_async_context(ServiceDesk(instance.table, api_key))
        demo_settings = _demo_settings(settings, bootstrap, demo_id, listener.port, folder)
        demo_settings = demo_settings.model_copy(update=_northbound_settings(api_key, folder))
        topics = all_topics(demo_settings.kafka.prefix, [system.name for system in systems])
        admin = TopicAdmin({"bootstrap.servers": bootstrap, **demo_settings.kafka.overrides()})
        await _create_topics(stack, admin, topics)
        rules = replace(_with_base_urls(rules, systems), targets=(_target(instance),))
        running = await stack.enter_async_context(_run_service(demo_settings, rules, admin))
        await desk.subscribe(f"http://127.0.0.1:{running.api_port}")
        yield DemoEnvironment(
            running=running,
            request_logs={system.name: system.request_log for system in systems},
            run_table=instance.table,
            desk=desk,
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


def _northbound_settings(api_key: str, folder: Path) -> dict[str, object]:
    """Return the settings of the HTTP interface and of the hub, with secrets that exist as long as the demo runs."""
    keys = folder / "keys.yaml"
    client = {"name": DESK, "tenant": DESK, "scopes": ["read", "order"], "keys": [f"sha256:{digest_of(api_key).hex()}"]}
    keys.write_text(json.dumps({"clients": [client]}), encoding="utf-8")  # JSON is YAML
    return {
        "api": ApiSettings(port=0, version=API_VERSION.value, publish_timeout=PUBLISH_TIMEOUT),
        "access": AccessSettings(keys=keys, key_header=KEY_HEADER),
        "servicenow": ServiceNowSettings(),
        "hub": HubSettings(
            signing_key=SecretStr(token_urlsafe(32)), allow_http=True, allowed_networks=("127.0.0.0/8",)
        ),
    }


def _target(instance: ServiceNowInstance) -> WritebackTarget:
    """Return the instance as a target: a run that its desk ordered is written under the id that the desk gave it."""
    return WritebackTarget(
        name=DESK, base_url=instance.base_url, tenants=frozenset({DESK}), ordering_client=f"key:{DESK}"
    )


def _with_base_urls(rules: RoutingRules, systems: list[ExternalSystem]) -> RoutingRules:
    urls = {system.name: system.base_url for system in systems}
    profiles = [profile.model_copy(update={"base_url": urls[profile.name]}) for profile in rules.profiles]
    return replace(rules, profiles=tuple(profiles))
