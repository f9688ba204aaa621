"""Build the systems of a scenario."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING

from aiohttp import web

from consumers.inbound.callback_auth import headers_for
from consumers.spokes.credentials import fetch_secret
from southbound.simulator import http_responses
from southbound.simulator.external_system import ExternalSystem
from southbound.simulator.faults.access_tokens import AccessTokenIssuer
from southbound.simulator.faults.callbacks import CallbackFaulter
from southbound.simulator.faults.requests import RequestFaulter
from southbound.simulator.instance.service_now import ServiceNowInstance
from southbound.simulator.notifications import Subscription
from southbound.simulator.presets.deviations import Deviator, SystemDeviations
from southbound.simulator.presets.jobs import JobsLikeSystem
from southbound.simulator.presets.open_slice import OpenSliceLikeSystem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from southbound.simulator.notifications import NotificationSender
    from southbound.simulator.scenario.scenario import CallbackAddress, ScenarioSystem, SimulationScenario

    AnySystem = ExternalSystem | OpenSliceLikeSystem | JobsLikeSystem | ServiceNowInstance
    Environment = Mapping[str, str]


def build_systems(scenario: SimulationScenario, seed: int, environment: Environment) -> Sequence[AnySystem]:
    """Return the systems of a scenario, not started. Their faults follow from `seed`.

    Raises:
        SecretMissingError: a secret is not where the scenario says.
    """
    return [build_system(system, seed, environment) for system in scenario.systems]


def build_system(described: ScenarioSystem, seed: int, environment: Environment) -> AnySystem:
    """Return a system, not started.

    Raises:
        SecretMissingError: a secret is not where the scenario says.
    """
    system = _BUILDERS[described.preset](described, environment)
    issuer = _token_issuer(described, environment)
    # A system has one sequence of random numbers for requests and one for notifications, which do not depend on others.
    requests = RequestFaulter(described.request_faults, Random(f"{seed}/{described.name}/requests"), issuer)  # noqa: S311 - no secret
    callbacks = CallbackFaulter(described.callback_faults, Random(f"{seed}/{described.name}/callbacks"))  # noqa: S311 - no secret
    if any(described.request_faults.shares.values()):
        system.surround(requests.process)
    system.add_routes([_shown_faults(requests, callbacks, issuer)])
    if issuer is not None:
        system.surround(issuer.process)
        system.add_routes(issuer.routes())
    if isinstance(system, ExternalSystem | JobsLikeSystem):
        _send_with_faults(system.notifications, described, callbacks)
    if described.deviations != SystemDeviations():
        system.surround(Deviator(described.deviations).process)
    return system


def _token_issuer(described: ScenarioSystem, environment: Environment) -> AccessTokenIssuer | None:
    settings = described.access_tokens
    if settings is None:
        return None
    return AccessTokenIssuer(settings, fetch_secret(settings.client_secret, environment).get_secret_value())


def _send_with_faults(sender: NotificationSender, described: ScenarioSystem, faults: CallbackFaulter) -> None:
    if any(described.callback_faults.shares.values()):
        sender.faults = faults
    if described.deviations != SystemDeviations():
        sender.rewrite = Deviator(described.deviations).event


def _shown_faults(
    requests: RequestFaulter, callbacks: CallbackFaulter, issuer: AccessTokenIssuer | None
) -> web.RouteDef:
    async def show(_: web.Request) -> web.Response:
        tokens = {"issued": issuer.issued, "refused": issuer.refused} if issuer is not None else {}
        counts = {
            "requests": {fault.value: count for fault, count in requests.happened.items()},
            "callbacks": {fault.value: count for fault, count in callbacks.happened.items()},
            "tokens": tokens,
        }
        return http_responses.json_response(200, counts)

    return web.get("/_simulator/faults", show)


def _subscription(callback: CallbackAddress, environment: Environment) -> Subscription:
    headers_for(callback.auth, environment)  # a secret that is missing is reported at the start
    return Subscription(
        id="configured",
        callback=callback.url,
        event_in_path=callback.event_in_path,
        sign=partial(headers_for, callback.auth, environment),
    )


def _tmf653(described: ScenarioSystem, environment: Environment) -> ExternalSystem:
    system = ExternalSystem(
        name=described.name,
        host=described.host,
        port=described.port,
        script=described,
        latency=described.latency,
    )
    if described.callback is not None:
        subscription = _subscription(described.callback, environment)
        system.notifications.subscriptions[subscription.id] = subscription
    return system


def _jobs(described: ScenarioSystem, environment: Environment) -> JobsLikeSystem:
    return JobsLikeSystem(
        name=described.name,
        host=described.host,
        port=described.port,
        script=described,
        callback=_subscription(described.callback, environment) if described.callback else None,
        latency=described.latency,
    )


def _open_slice(described: ScenarioSystem, _: Environment) -> OpenSliceLikeSystem:
    return OpenSliceLikeSystem(
        name=described.name,
        host=described.host,
        port=described.port,
        script=described,
        latency=described.latency,
    )


def _servicenow(described: ScenarioSystem, _: Environment) -> ServiceNowInstance:
    return ServiceNowInstance(name=described.name, host=described.host, port=described.port, latency=described.latency)


_BUILDERS: Mapping[str, Callable[[ScenarioSystem, Environment], AnySystem]] = {
    "tmf653": _tmf653,
    "v5": _tmf653,
    "r18.5": _tmf653,
    "open-slice": _open_slice,
    "jobs": _jobs,
    "servicenow": _servicenow,
}
