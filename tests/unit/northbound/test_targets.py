"""Profiles of targets, and what is refused before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumers.northbound.writeback.target import WritebackTarget, load_targets
from consumers.northbound.writeback.target_calls import Listed, TargetCalls
from consumers.spokes.profile_loader import ProfilesWrongError
from router.responses import HttpResponse
from southbound.exit_codes import CommandFailedError
from southbound.operations.configuration import check_configuration
from southbound.operations.run_service import run_service
from southbound.service.load_rules import InvalidConfigurationError, load_rules
from southbound.service.roles import Role
from southbound.settings.settings import RoutingSettings, Settings, WritebackSettings
from tests.builders.runs import a_run

if TYPE_CHECKING:
    from pathlib import Path

URL = "base_url: https://desk.example/api\n"


def a_file(folder: Path, text: str, name: str = "desk.yaml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: desk\nbase_url: desk.example\n", "2: target 'desk', field 'base_url': must be a whole address"),
        (f"name: desk\n{URL}spoke: x\n", "3: target 'desk', field 'spoke': no such field: did you mean 'spokes'?"),
        (f"name: desk\n{URL}time_zone: Mars\n", "must be a time zone of the IANA list"),
        (f"name: desk\n{URL}updates: [result]\n", "target 'desk', field 'updates.0'"),
        (f"name: Desk\n{URL}", "must be lower-case letters"),
        (f"name: desk\n{URL}auth: {{kind: basic, username: u, password: p}}\n", "never the secret itself"),
    ],
)
def test_a_mistake_in_a_profile_is_named_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ProfilesWrongError) as wrong:
        load_targets([a_file(tmp_path, text)])
    assert sentence in str(wrong.value)


def test_a_target_may_not_have_the_name_of_a_spoke(tmp_path: Path) -> None:
    a_file(tmp_path, f"name: fibre-lab\n{URL}")
    with pytest.raises(InvalidConfigurationError, match="target 'fibre-lab' has the name of a spoke"):
        load_rules(RoutingSettings(), tmp_path)


def test_a_folder_without_profiles_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigurationError, match=r"has no profile of a target"):
        load_rules(RoutingSettings(), tmp_path)


def test_the_role_needs_a_target() -> None:
    with pytest.raises(CommandFailedError, match=r"set writeback.targets"):
        run_service(Settings(), [Role.WRITEBACK], None)


def test_config_check_reports_a_missing_secret_of_a_target(tmp_path: Path) -> None:
    a_file(tmp_path, f"name: desk\n{URL}auth: {{kind: bearer, token: 'env:SOUTHBOUND_SECRET_DESK'}}\n")
    settings = Settings(writeback=WritebackSettings(targets=tmp_path))
    with pytest.raises(CommandFailedError, match="target 'desk', field 'auth'"):
        check_configuration(settings, {})


CALLS = TargetCalls(WritebackTarget.model_validate({"name": "desk", "base_url": "https://d", "dialect": "tmf653"}))


@pytest.mark.parametrize(
    ("run_id", "segment"), [("..", "%2E%2E"), (".", "%2E"), ("a/b?c#d", "a%2Fb%3Fc%23d"), ("{id}", "%7Bid%7D")]
)
def test_no_id_of_a_run_names_another_resource(run_id: str, segment: str) -> None:
    for call in (CALLS.read(run_id), CALLS.update(a_run(), run_id)):
        assert call.path == f"/serviceTest/{segment}"


@pytest.mark.parametrize(
    ("body", "listed"),
    [
        (b'[{"id": "7", "name": "Line test TR1"}]', Listed("7")),
        (b'[{"id": "7", "name": "Line test TR2"}]', Listed(None, proven=False)),
        (b'[{"name": "Line test TR1"}]', Listed(None, proven=False)),
        (b"[]", Listed(None)),
        (b"{}", None),
        (b"<html>", None),
    ],
)
def test_what_a_look_up_shows(body: bytes, listed: Listed | None) -> None:
    assert CALLS.read_list(HttpResponse(status=200, body=body), a_run("TR1")) == listed


@pytest.mark.parametrize(
    ("response", "target_id"),
    [
        (HttpResponse(status=201, body=b'{"id": "7"}'), "7"),
        (HttpResponse(status=201, headers={"location": "https://d/serviceTest/8/"}), "8"),
        (HttpResponse(status=201, body=b'{"id": ""}'), None),
        (HttpResponse(status=202), None),
    ],
)
def test_the_id_of_a_created_run(response: HttpResponse, target_id: str | None) -> None:
    assert CALLS.created_id(response, a_run("TR1")) == target_id


@pytest.mark.parametrize(
    ("body", "other"),
    [(b'{"state": "Pending"}', False), (b'{"state": "acknowledged"}', True), (b"{}", False), (b"", False)],
)
def test_the_state_of_a_created_run(body: bytes, *, other: bool) -> None:
    assert CALLS.shows_other_state(HttpResponse(status=201, body=body), a_run("TR1")) is other


def test_an_answer_of_null_shows_no_run() -> None:
    assert CALLS.shows_no_run(HttpResponse(status=200, body=b"null\n"))
    assert not CALLS.shows_no_run(HttpResponse(status=204))
