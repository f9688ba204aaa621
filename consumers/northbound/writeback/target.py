"""The profile of a target: a system whose table of test runs is kept up to date."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator

from consumers.spokes.profile import KnownState, SystemProfile, check_spoke_name
from consumers.spokes.profile_loader import ProfileKind, load_profiles_of
from router.northbound.writeback import MeasureIds, TargetDialect, TargetFormat, ValueForm
from schemas.text.time_zones import check_time_zone
from schemas.vocabulary import UpdateKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_DEFAULT_UPDATES = frozenset({UpdateKind.ACCEPTED, UpdateKind.PROGRESS})
_DEFAULT_VALUES = {TargetDialect.SERVICENOW: ValueForm.TEXT, TargetDialect.TMF653: ValueForm.OBJECT}


class WritebackTarget(SystemProfile):
    """One target. Every field but `name` and `base_url` has a safe default."""

    noun: ClassVar[str] = "target"

    name: Annotated[str, AfterValidator(check_spoke_name)] = Field(
        description="Name of the target: in its consumer group, in metrics and in dead letters. No spoke has it."
    )
    dialect: TargetDialect = Field(
        default=TargetDialect.SERVICENOW,
        description="`servicenow`: ServiceNow's Service Test Management Open API. `tmf653`: any TMF653 v4 server.",
    )
    spokes: frozenset[str] = Field(
        default=frozenset(), description="Only runs of these spokes are written. Empty: those of all spokes."
    )
    tenants: frozenset[str] = Field(
        default=frozenset(), description="Only runs of these tenants are written. Empty: those of all tenants."
    )
    updates: frozenset[UpdateKind] = Field(
        default=_DEFAULT_UPDATES,
        description=(
            "Kinds of `RunUpdate` after which a run is written; after a `RunResult` it always is, and so is an order of"
            " HTTP or of a stream that routing refused, as `rejected`."
        ),
    )
    ordering_client: str | None = Field(
        default=None,
        min_length=1,
        description=(
            "Name of the client of the HTTP interface under which this system orders runs: a run that it ordered is"
            " written under the id that it was ordered with. None: every run is written under its `run_id`."
        ),
    )
    create_unknown_runs: bool = Field(
        default=True,
        description="Whether a run that the target does not have is created with POST. `false`: it is a dead letter.",
    )
    value: ValueForm | None = Field(
        default=None,
        description=(
            'How the value of a measure is written: `text` ("3000") or `object` (a TMF653 Characteristic). None:'
            " `text` for `servicenow`, `object` for `tmf653`."
        ),
    )
    measure_ids: MeasureIds = Field(
        default=MeasureIds.MEASURE,
        description=(
            "The id of a measure: `measure`, its own, or `definition`, that of its definition where the run names one."
        ),
    )
    time_zone: str = Field(
        default="UTC",
        description="Time zone of the date-times that `servicenow` writes, which carry none: `Europe/Berlin`.",
    )
    states: dict[KnownState, str] = Field(
        default_factory=dict,
        description="Spellings of states that differ from `inProgress` and, for `servicenow`, `canceled`.",
    )

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, name: str) -> str:
        return check_time_zone(name)

    @cached_property
    def form(self) -> TargetFormat:
        """How runs are written for this target."""
        return TargetFormat(
            dialect=self.dialect,
            value_form=self.value or _DEFAULT_VALUES[self.dialect],
            measure_ids=self.measure_ids,
            zone=ZoneInfo(self.time_zone),
            states=self.states,
        )


_TARGETS = ProfileKind(model=WritebackTarget)


def load_targets(paths: Iterable[Path]) -> tuple[WritebackTarget, ...]:
    """Return one target from each file.

    Raises:
        ProfilesWrongError: with all mistakes of all files, each as `file:line: target 'x', field 'y': …`.
    """
    return load_profiles_of(_TARGETS, paths)
