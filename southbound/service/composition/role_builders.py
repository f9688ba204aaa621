"""Build what each role runs in this process: workers on Kafka, background tasks, servers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import structlog

from consumers.inbound.callback_auth import TokenAuthenticator, authenticator_for
from consumers.inbound.listener import CallbackConfig, Listener
from consumers.metrics import EVENT_IDS_REUSED
from consumers.spokes.tmf653.versions import VERSIONS
from southbound.service.composition.callback_addresses import url_token
from southbound.service.composition.hub import build_delivery_hub, hub_workers
from southbound.service.composition.northbound import api_tasks, start_api
from southbound.service.composition.observers import callback_counter
from southbound.service.composition.registration import noting_callbacks, open_registrars
from southbound.service.composition.shared_resources import utc_now
from southbound.service.composition.streams import egress_workers, ingress_workers, stream_watch_tasks
from southbound.service.composition.tasks import (
    build_poller,
    build_run_checker,
    command_repeater,
    pending_request_expiry,
    store_pruner,
    untried_run_notices,
    waiting_queue_releaser,
)
from southbound.service.composition.workers import dispatch_worker, inbound_worker, routing_worker
from southbound.service.composition.writeback import writeback_worker
from southbound.service.open_callbacks import openly_accepted
from southbound.service.roles import Role

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from contextlib import AsyncExitStack

    from consumers.runtime.worker import Worker
    from consumers.spokes.profile import Profile
    from schemas.inbound import InboundReceived
    from southbound.service.composition.shared_resources import SharedResources
    from southbound.service.composition.tasks import BackgroundTasks


log = structlog.get_logger()


def _no_workers(_resources: SharedResources, _only_spoke: str | None) -> dict[str, Worker]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleBuilder:
    """How one role is built. `workers` returns them by name; `start_server` starts one and returns its port.

    Roles of one process may share background tasks, which then run once.
    """

    workers: Callable[[SharedResources, str | None], dict[str, Worker]] = _no_workers
    tasks: tuple[Callable[[SharedResources], BackgroundTasks], ...] = ()
    start_server: Callable[[AsyncExitStack, SharedResources], Awaitable[int]] | None = None


def _routing_workers(resources: SharedResources, _only_spoke: str | None) -> dict[str, Worker]:
    return {Role.ROUTING.value: routing_worker(resources)}


def _routing_tasks(resources: SharedResources) -> BackgroundTasks:
    yield pending_request_expiry(resources).run()
    yield command_repeater(resources).run()
    yield from resources.tables.background_tasks()
    yield waiting_queue_releaser(resources).run()
    if pruner := store_pruner(resources):
        yield pruner.run()


def _dispatch_workers(resources: SharedResources, only_spoke: str | None) -> dict[str, Worker]:
    names = [profile.name for profile in resources.rules.profiles if only_spoke in (None, profile.name)]
    return {f"{Role.DISPATCH}.{name}": dispatch_worker(resources, name) for name in names}


def _dispatch_tasks(resources: SharedResources) -> BackgroundTasks:
    yield untried_run_notices(resources).run()


def _writeback_workers(resources: SharedResources, _only_spoke: str | None) -> dict[str, Worker]:
    return {
        f"{Role.WRITEBACK}.{target.name}": writeback_worker(resources, target) for target in resources.rules.targets
    }


def _ingress_workers(resources: SharedResources, _only_spoke: str | None) -> dict[str, Worker]:
    return ingress_workers(resources)


def _egress_workers(resources: SharedResources, _only_spoke: str | None) -> dict[str, Worker]:
    return egress_workers(resources)


def _inbound_workers(resources: SharedResources, _only_spoke: str | None) -> dict[str, Worker]:
    return {Role.INBOUND.value: inbound_worker(resources)}


def _inbound_tasks(resources: SharedResources) -> BackgroundTasks:
    yield build_run_checker(resources).run()


def _poller_tasks(resources: SharedResources) -> BackgroundTasks:
    if poller := build_poller(resources):
        yield poller.run()


def _listener_tasks(resources: SharedResources) -> BackgroundTasks:
    return (registrar.run() for registrar in resources.registrars.values())


def _hub_workers(resources: SharedResources, _only_spoke: str | None) -> dict[str, Worker]:
    return hub_workers(resources)


def _hub_tasks(resources: SharedResources) -> BackgroundTasks:
    yield build_delivery_hub(resources).run()


def callback_config(
    profile: Profile, environment: Mapping[str, str], check: Callable[[InboundReceived], str | None]
) -> CallbackConfig:
    """Return how callbacks of a system are received: with the credentials and the response that its profile names."""
    return CallbackConfig(
        success_status=VERSIONS[profile.version].listener_status,
        authenticator=authenticator_for(profile.callback_auth, environment),
        check=check,
        url_token=TokenAuthenticator(token=token) if (token := url_token(profile, environment)) else None,
        limits=profile.callback_limits,
        charset=profile.media_types.charset,
    )


async def _start_listener(stack: AsyncExitStack, resources: SharedResources) -> int:
    settings = resources.settings.listener
    listener = Listener(
        host=settings.host,
        port=settings.port,
        spokes={
            profile.name: callback_config(profile, os.environ, resources.spokes[profile.name].check_callback)
            for profile in resources.rules.profiles
            if profile.takes_callbacks
        },
        publisher=resources.events.publisher,
        topic=resources.events.topics.inbound,
        envelope=resources.events.envelope,
        clock=utc_now,
        on_callback=noting_callbacks(resources, callback_counter(resources.metrics)),
        on_reused_event_id=lambda spoke: resources.metrics.count(EVENT_IDS_REUSED, spoke),
    )
    await stack.enter_async_context(listener)
    _warn_of_open_callbacks(resources)
    open_registrars(stack, resources)
    return listener.port


def _warn_of_open_callbacks(resources: SharedResources) -> None:
    """Warn where a profile accepts that anyone who reaches the listener can end its runs."""
    host = resources.settings.listener.host
    if spokes := openly_accepted(host, resources.rules.profiles):
        log.warning("listener accepts unauthenticated callbacks: set callback_auth", host=host, spokes=spokes)


BUILDERS: Mapping[Role, RoleBuilder] = MappingProxyType(
    {
        Role.ROUTING: RoleBuilder(workers=_routing_workers, tasks=(_routing_tasks,)),
        Role.DISPATCH: RoleBuilder(workers=_dispatch_workers, tasks=(_dispatch_tasks,)),
        Role.INBOUND: RoleBuilder(workers=_inbound_workers, tasks=(_inbound_tasks,)),
        Role.LISTENER: RoleBuilder(tasks=(_listener_tasks,), start_server=_start_listener),
        Role.POLLER: RoleBuilder(tasks=(_poller_tasks,)),
        Role.HUB: RoleBuilder(workers=_hub_workers, tasks=(_hub_tasks,)),
        Role.API: RoleBuilder(tasks=(api_tasks,), start_server=start_api),
        Role.WRITEBACK: RoleBuilder(workers=_writeback_workers),
        Role.INGRESS: RoleBuilder(workers=_ingress_workers, tasks=(api_tasks, stream_watch_tasks)),
        Role.EGRESS: RoleBuilder(workers=_egress_workers, tasks=(stream_watch_tasks,)),
    }
)


def build_workers(
    resources: SharedResources, roles: Iterable[Role], only_spoke: str | None = None
) -> dict[str, Worker]:
    """Build the workers of these roles by name: one per role, for dispatch one per spoke.

    In a process that routes and dispatches, dispatch has priority, so that runs under way finish before new ones start.
    """
    built = {role: BUILDERS[role].workers(resources, only_spoke) for role in roles}
    for routing in built.get(Role.ROUTING, {}).values():
        routing.yield_to(tuple(built.get(Role.DISPATCH, {}).values()))
    return {name: worker for named in built.values() for name, worker in named.items()}


def background_tasks(resources: SharedResources, roles: Iterable[Role]) -> BackgroundTasks:
    """Yield the background tasks of these roles, which run on a timer instead of on records."""
    for build in dict.fromkeys(build for role in roles for build in BUILDERS[role].tasks):
        yield from build(resources)
    yield from resources.specifications.background_tasks(resources.store.specifications, utc_now)


async def start_servers(stack: AsyncExitStack, resources: SharedResources, roles: Iterable[Role]) -> Mapping[Role, int]:
    """Start the servers of these roles; `stack` stops them. Return the port of each."""
    return {role: await build(stack, resources) for role in roles if (build := BUILDERS[role].start_server)}
