"""The settings for ServiceNow are checked when they are loaded."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from router.northbound.writeback import ValueForm
from southbound.settings.servicenow import ServiceNowSettings
from southbound.settings.settings import load_settings


def test_tables_are_separated_by_commas_in_an_environment_variable() -> None:
    tables = load_settings(None, {"SOUTHBOUND_SERVICENOW__TABLES": "u_line_tests, sn_test_run"}).servicenow.tables
    assert tables == ("u_line_tests", "sn_test_run")


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../etc/passwd"},
        {"tables": ()},
        {"tables": ("",)},
        {"tables": ("t" * 201,)},
        {"time_limit": -1},
        {"max_waiting": 401},
        {"value": "number"},
    ],
)
def test_a_wrong_setting_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ServiceNowSettings(**wrong)


def test_the_form_of_runs_follows_from_the_settings() -> None:
    form = ServiceNowSettings(time_zone="Europe/Berlin", value="object").form()
    assert (form.zone, form.value_form, form.is_servicenow) == (ZoneInfo("Europe/Berlin"), ValueForm.OBJECT, True)
