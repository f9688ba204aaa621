"""A scenario: any number of simulated systems, each with its behaviours, deviations and faults."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from consumers.spokes.credentials import NoAuth
from consumers.spokes.profile import check_spoke_name
from consumers.spokes.profile_schema import schema_of
from consumers.spokes.security.callback_credentials import CallbackAuth
from schemas.base import Model
from southbound.simulator.faults.access_tokens import AccessTokenSettings
from southbound.simulator.faults.settings import CallbackFaults, RequestFaults
from southbound.simulator.presets.deviations import SystemDeviations
from southbound.simulator.scenario.model_file import read_model
from southbound.simulator.script import Script

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Preset = Literal["tmf653", "v5", "r18.5", "open-slice", "jobs", "servicenow"]
MAX_SYSTEMS = 100

# What a preset sets where the file does not.
PRESET_DEFAULTS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "v5": {"version": "5.0"},
        "r18.5": {
            "version": "4.0",
            "deviations": {
                "success_statuses": {"PATCH": 201},
                "error_statuses": {422: 400, 429: 403, 503: 403},
                "error_codes": "number",
            },
        },
        "open-slice": {
            "default": {
                "transitions": [{"after": 0.5, "state": "completed"}],
                "values": {"latency": 12, "throughput": 940},
            }
        },
        "jobs": {"default": {"transitions": [{"after": 0.5, "state": "completed"}]}},
    }
)
# What the systems of a preset do not have.
_TMF_ONLY = frozenset({"version", "hub", "deviations"})
_REFUSED_FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "open-slice": _TMF_ONLY | {"callback", "callback_faults"},
        "jobs": _TMF_ONLY,
        "servicenow": _TMF_ONLY | {"callback", "callback_faults", "specifications", "children", "default"},
    }
)


def _check_callback_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a whole address such as http://127.0.0.1:8700/fibre-lab/listener")
    if parts.username or parts.password:
        raise ValueError("must not carry credentials: use the field 'auth'")
    return url


class CallbackAddress(Model):
    """Where a system sends its notifications, whoever else subscribes at its hub."""

    url: Annotated[str, AfterValidator(_check_callback_address)] = Field(
        description="The address that notifications are POSTed to."
    )
    auth: CallbackAuth = Field(
        default=NoAuth(), description="The credentials that they carry, as in the field `callback_auth` of a profile."
    )
    event_in_path: bool = Field(default=False, description="Whether the type of the event is appended to the address.")


def _with_deviations_of(defaults: Mapping[str, object], fields: Mapping[str, object]) -> object:
    """Return the deviations in the fields of a system, with those of its preset that they do not name."""
    preset, own = defaults.get("deviations"), fields["deviations"]
    return {**preset, **own} if isinstance(preset, dict) and isinstance(own, dict) else own


class ScenarioSystem(Script):
    """One simulated system."""

    name: Annotated[str, AfterValidator(check_spoke_name)] = Field(description="Its name, which is printed.")
    preset: Preset = Field(
        default="tmf653",
        description=(
            "What it is: a system of TMF653 in the `version` that is named, `v5` (TMF653 5.0), `r18.5` (like the"
            " reference implementation of R18.5: 4.0, a PATCH answers 201, 400 instead of 422, 403 instead of 429,"
            " numeric error codes), `open-slice`, `jobs` (the job API, which is not TMF653), or a ServiceNow instance"
            " (`servicenow`)."
        ),
    )
    host: str = Field(
        default="127.0.0.1",
        pattern=r"^[A-Za-z0-9.:-]{1,255}$",
        description="The name or address that it listens on, which is also part of the addresses that it answers.",
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=0, description="The port that it listens on. 0: a free one, which is printed."
    )
    latency: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=0.0, description="Seconds that are added to every response."
    )
    callback: CallbackAddress | None = Field(
        default=None, description="Where it sends its notifications. None: only to the subscribers of its hub."
    )
    access_tokens: AccessTokenSettings | None = Field(
        default=None, description="OAuth2 client credentials that every request needs. None: requests need none."
    )
    deviations: SystemDeviations = Field(
        default=SystemDeviations(), description="What it does otherwise than TMF653 says."
    )
    request_faults: RequestFaults = Field(
        default=RequestFaults(), description="Shares of its requests that a fault happens to."
    )
    callback_faults: CallbackFaults = Field(
        default=CallbackFaults(), description="Shares of its notifications that a fault happens to."
    )

    @model_validator(mode="before")
    @classmethod
    def _add_defaults_of_preset(cls, fields: object) -> object:
        if not isinstance(fields, dict):
            return fields
        preset = str(fields.get("preset", ""))
        refused = sorted(_REFUSED_FIELDS.get(preset, frozenset()) & fields.keys())
        if refused:
            raise ValueError(f"the preset {preset} has no '{refused[0]}': remove the field, or take another preset")
        if preset == "v5" and str(fields.get("version", "5.0")) != "5.0":
            raise ValueError("the preset v5 has the version 5.0: remove 'version', or take the preset tmf653")
        defaults = PRESET_DEFAULTS.get(preset, {})
        deviations = {"deviations": _with_deviations_of(defaults, fields)} if "deviations" in fields else {}
        return {**defaults, **fields, **deviations}

    @model_validator(mode="after")
    def _check_faults(self) -> Self:
        if self.request_faults.expired_token and self.access_tokens is None:
            raise ValueError("request_faults.expired_token needs 'access_tokens': add them")
        if self.callback_faults != CallbackFaults() and self.callback is None and self.hub == "unsupported":
            raise ValueError("callback_faults need a 'callback' or a hub: without them nothing is sent")
        return self


class SimulationScenario(Model):
    """The systems that `southbound simulate` plays."""

    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = Field(
        default=None,
        description=(
            "Where the random numbers begin: the same seed and the same requests in the same order lead to the same"
            " faults. None: another one at each start, which is printed."
        ),
    )
    systems: tuple[ScenarioSystem, ...] = Field(
        max_length=MAX_SYSTEMS, description="The systems, each on a port of its own."
    )

    @model_validator(mode="after")
    def _check_differences(self) -> Self:
        if not self.systems:
            raise ValueError("a scenario needs at least one system: add it to 'systems'")
        names = Counter(system.name for system in self.systems)
        if twice := [name for name, times in names.items() if times > 1]:
            raise ValueError(f"two systems have the name {twice[0]}: rename one")
        places = Counter((system.host, system.port) for system in self.systems if system.port)
        if taken := [port for (_, port), times in places.items() if times > 1]:
            raise ValueError(f"two systems have the port {taken[0]}: change one")
        return self


def read_scenario(file: Path) -> SimulationScenario:
    """Read a scenario from YAML.

    Raises:
        ModelFileError: the file cannot be read or has mistakes; all of them are reported at once.
    """
    return read_model(SimulationScenario, file, "scenario", "name a scenario", _FIELD_NAMES)


def scenario_schema() -> str:
    """Return the JSON Schema of scenarios, for editors."""
    return schema_of(SimulationScenario, "Scenario of simulated systems of Southbound")


_FIELD_NAMES = tuple(
    name
    for model in (
        SimulationScenario,
        ScenarioSystem,
        CallbackAddress,
        AccessTokenSettings,
        SystemDeviations,
        RequestFaults,
        CallbackFaults,
    )
    for name in model.model_fields
)
