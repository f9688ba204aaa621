"""The systems of `southbound simulate` without a scenario: those of the shipped profiles, and an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from southbound.simulator.presets.open_slice import open_slice_script
from southbound.simulator.scenario.scenario import CallbackAddress, ScenarioSystem, SimulationScenario

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consumers.spokes.security.callback_credentials import CallbackAuth
    from southbound.simulator.script import Script

SYSTEM_NAMES = ("fibre-lab", "copper-lab")


def shipped_scenario(
    *,
    script: Script,
    first_port: int,
    latency: float,
    listener: str,
    credentials: Mapping[str, CallbackAuth],
    open_slice: bool,
) -> SimulationScenario:
    """Return the scenario: the ports begin with `first_port`, and notifications are sent to the address `listener`.

    `credentials` are those that the notifications of a system carry, by its name. `latency` is in seconds.
    """

    def describe() -> Iterator[ScenarioSystem]:
        for name in SYSTEM_NAMES:
            callback = CallbackAddress(url=f"{listener}/{name}/listener", **_auth(credentials.get(name)))
            yield ScenarioSystem(name=name, callback=callback, **_fields_of(script))
        yield ScenarioSystem(name="servicenow", preset="servicenow")
        if open_slice:
            yield ScenarioSystem(name="open-slice", preset="open-slice", default=open_slice_script().default)

    systems = enumerate(describe(), start=first_port)
    return SimulationScenario(
        systems=tuple(system.model_copy(update={"port": port, "latency": latency}) for port, system in systems)
    )


def _auth(auth: CallbackAuth | None) -> dict[str, CallbackAuth]:
    return {} if auth is None else {"auth": auth}


def _fields_of(script: Script) -> dict[str, object]:
    return {name: getattr(script, name) for name in type(script).model_fields}
