"""The settings of what the role `api` serves for ServiceNow."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from router.northbound.servicenow.service_test_request import MAX_TABLE_NAME_LENGTH, RUN_TABLE
from router.northbound.writeback import TargetFormat, ValueForm
from schemas.text.time_zones import check_time_zone
from southbound.settings.section import Section


class ServiceNowSettings(Section):
    """What the role `api` serves for ServiceNow, and for systems that speak to ServiceNow."""

    requests: bool = Field(
        default=False,
        description="Whether `POST /spoke-selector/requests` takes *Service Test Requests* of ServiceNow's spoke"
        " selector and answers them with the result. Each process with the role `api` then reads `testrun.results` and"
        " `testrun.inflight`.",
    )
    paths: bool = Field(
        default=False,
        description="Whether runs are also ordered, read and changed at `/api/sn_sprb_mgmt/servicetestmanagement`, as"
        " at a ServiceNow instance, and specifications too.",
    )
    time_limit: float = Field(
        25.0,
        ge=0,
        le=600,
        description="Seconds within which a *Service Test Request* is answered; without a result by then, it comes"
        " later. It has to be below the time-outs of the caller and of proxies.",
    )
    max_waiting: int = Field(
        100,
        ge=0,
        le=400,
        description="Requests that wait for a result at once, in one process. Further ones are answered at once: their"
        " results come later.",
    )
    tables: tuple[str, ...] = Field(
        (RUN_TABLE,),
        min_length=1,
        description="Tables whose records a *Service Test Request* may be about: that of test runs, or tables that"
        " extend it.",
    )
    time_zone: str = Field(
        "UTC", description="Time zone of date-times, which carry none: that of the user of ServiceNow, `Europe/Berlin`."
    )
    value: Literal["text", "object"] = Field(
        "text", description='How the value of a measure is written: `text` ("3000") or `object` (a Characteristic).'
    )

    @field_validator("tables")
    @classmethod
    def _check_tables(cls, tables: tuple[str, ...]) -> tuple[str, ...]:
        if any(not 0 < len(name) <= MAX_TABLE_NAME_LENGTH for name in tables):
            raise ValueError(f"must be names of tables, each of 1 to {MAX_TABLE_NAME_LENGTH} characters")
        return tables

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, name: str) -> str:
        return check_time_zone(name)

    def form(self) -> TargetFormat:
        """Return how runs are written."""
        return TargetFormat(value_form=ValueForm(self.value), zone=ZoneInfo(self.time_zone))
