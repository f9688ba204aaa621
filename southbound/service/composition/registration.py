"""Build what registers the address of the listener at the hubs of external systems."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import structlog

from consumers.inbound.registration.progress import HubPhase
from consumers.inbound.registration.registrar import HubRegistrar
from consumers.metrics import REGISTERED, REGISTRATIONS
from southbound.service.composition.callback_addresses import hub_dialect
from southbound.service.composition.shared_resources import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AsyncExitStack

    from consumers.inbound.callback_responses import CallbackOutcome
    from consumers.inbound.listener import CountCallback
    from consumers.inbound.registration.registrar import RegistrationObserver
    from consumers.metrics import Metrics
    from consumers.spokes.profile import Profile
    from southbound.service.composition.shared_resources import SharedResources

log = structlog.get_logger()
_GOOD = frozenset({HubPhase.REGISTERED, HubPhase.ASSUMED, "removed"})


def open_registrars(stack: AsyncExitStack, resources: SharedResources) -> None:
    """Build the registrars of all profiles with `hub.register`; `stack` removes the registrations that are to be."""
    public_url = resources.settings.listener.public_url
    for profile in resources.rules.profiles:
        if profile.hub.registers and public_url is not None:
            registrar = _registrar(resources, profile, public_url)
            resources.registrars[profile.name] = registrar
            resources.metrics.track(REGISTERED, _in_effect(registrar), profile.name)
            stack.push_async_callback(registrar.remove)


def _registrar(resources: SharedResources, profile: Profile, public_url: str) -> HubRegistrar:
    return HubRegistrar(
        dialect=hub_dialect(public_url, profile, os.environ),
        client=resources.client,
        breakers=resources.breakers.of(profile.name),
        now=utc_now,
        random=random.random,  # jitter, not a secret
        observe=_observer(resources.metrics),
    )


def _in_effect(registrar: HubRegistrar) -> Callable[[], bool]:
    return lambda: registrar.is_in_effect


def _observer(metrics: Metrics) -> RegistrationObserver:
    def observe(spoke: str, outcome: str, sentence: str | None) -> None:
        metrics.count(REGISTRATIONS, spoke, outcome)
        if sentence is not None:
            write = log.info if outcome in _GOOD else log.warning
            write("registration at a hub", spoke=spoke, outcome=outcome, detail=sentence)

    return observe


def noting_callbacks(resources: SharedResources, count: CountCallback) -> CountCallback:
    """Return a function that counts callbacks, and notes their arrival for the registrar of the system."""

    def note(spoke: str, outcome: CallbackOutcome) -> None:
        count(spoke, outcome)
        if outcome in {"stored", "ignored"} and (registrar := resources.registrars.get(spoke)) is not None:
            registrar.callback_received()

    return note


def note_polled_change(resources: SharedResources, spoke: str) -> None:
    """Record for the registrar of a system that a poll found a change."""
    if (registrar := resources.registrars.get(spoke)) is not None:
        registrar.change_polled()


def registration_warnings(resources: SharedResources) -> dict[str, str]:
    """Return what is wrong with the registrations of this process, by name."""
    found = {f"hub {name}": registrar.warning() for name, registrar in resources.registrars.items()}
    return {name: sentence for name, sentence in found.items() if sentence is not None}
