"""Build what each role runs in this process: workers over Kafka, tasks that run by the clock, servers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import structlog

from consumers.inbound.callback_auth import authenticator_for
from consumers.inbound.listener import CallbackConfig, Listener
from southbound.service.compose import (
    build_poller,
    callback_counter,
    dispatch_worker,
    inbound_worker,
    pending_request_expiry,
    routing_worker,
    utc_now,
    waiting_queue_releaser,
)
from southbound.service.open_callbacks import openly_accepted
from southbound.service.roles import Role

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
    from contextlib import AsyncExitStack

    from consumers.runtime.worker import Worker
    from southbound.service.compose import SharedParts

    Tasks = Iterator[Coroutine[None, None, None]]

log = structlog.get_logger()


def _no_workers(_parts: SharedParts, _only_spoke: str | None) -> dict[str, Worker]:
    return {}


def _no_tasks(_parts: SharedParts) -> Tasks:
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleBuilder:
    """How one role is built. `workers` are by name; `listen` starts a server and returns its port."""

    workers: Callable[[SharedParts, str | None], dict[str, Worker]] = _no_workers
    tasks: Callable[[SharedParts], Tasks] = _no_tasks
    listen: Callable[[AsyncExitStack, SharedParts], Awaitable[int]] | None = None


def _routing_workers(parts: SharedParts, _only_spoke: str | None) -> dict[str, Worker]:
    return {"routing": routing_worker(parts)}


def _routing_tasks(parts: SharedParts) -> Tasks:
    yield pending_request_expiry(parts).run()
    yield from parts.tables.background_tasks()
    yield waiting_queue_releaser(parts).run()


def _dispatch_workers(parts: SharedParts, only_spoke: str | None) -> dict[str, Worker]:
    names = [profile.name for profile in parts.rules.profiles if only_spoke in (None, profile.name)]
    return {f"dispatch.{name}": dispatch_worker(parts, name) for name in names}


def _inbound_workers(parts: SharedParts, _only_spoke: str | None) -> dict[str, Worker]:
    return {"inbound": inbound_worker(parts)}


def _poller_tasks(parts: SharedParts) -> Tasks:
    if polling := build_poller(parts):
        yield polling.run()


async def _start_listener(stack: AsyncExitStack, parts: SharedParts) -> int:
    settings = parts.settings.listener
    listener = Listener(
        host=settings.host,
        port=settings.port,
        spokes={
            profile.name: CallbackConfig(authenticator=authenticator_for(profile.callback_auth, os.environ))
            for profile in parts.rules.profiles
            if profile.takes_callbacks
        },
        publisher=parts.events.publisher,
        topic=parts.events.topics.inbound,
        envelope=parts.events.envelope,
        clock=utc_now,
        on_callback=callback_counter(parts.metrics),
    )
    await stack.enter_async_context(listener)
    _warn_of_open_callbacks(parts)
    return listener.port


def _warn_of_open_callbacks(parts: SharedParts) -> None:
    """Warn where a profile accepts that anyone who reaches the listener can end its runs."""
    host = parts.settings.listener.host
    if spokes := openly_accepted(host, parts.rules.profiles):
        log.warning("listener accepts unauthenticated callbacks: set callback_auth", host=host, spokes=spokes)


BUILDERS: Mapping[Role, RoleBuilder] = MappingProxyType(
    {
        Role.ROUTING: RoleBuilder(workers=_routing_workers, tasks=_routing_tasks),
        Role.DISPATCH: RoleBuilder(workers=_dispatch_workers),
        Role.INBOUND: RoleBuilder(workers=_inbound_workers),
        Role.LISTENER: RoleBuilder(listen=_start_listener),
        Role.POLLER: RoleBuilder(tasks=_poller_tasks),
    }
)


def build_workers(parts: SharedParts, roles: Iterable[Role], only_spoke: str | None = None) -> dict[str, Worker]:
    """Build the workers of these roles by name: one per role, for dispatch one per spoke.

    If one process routes and dispatches, routing yields: runs under way come before new ones.
    """
    built = {role: BUILDERS[role].workers(parts, only_spoke) for role in roles}
    for routing in built.get(Role.ROUTING, {}).values():
        routing.yield_to(tuple(built.get(Role.DISPATCH, {}).values()))
    return {name: worker for by_name in built.values() for name, worker in by_name.items()}


def tasks(parts: SharedParts, roles: Iterable[Role]) -> Tasks:
    """Yield what these roles do by the clock instead of on records."""
    for role in roles:
        yield from BUILDERS[role].tasks(parts)


async def listen(stack: AsyncExitStack, parts: SharedParts, roles: Iterable[Role]) -> int | None:
    """Start the servers of these roles, which `stack` stops; return the port of the listener, if it is one of them."""
    ports = [await build(stack, parts) for role in roles if (build := BUILDERS[role].listen)]
    return ports[0] if ports else None
