"""Profiles are listed, checked and shown by commands, and their schema accepts what the loader accepts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from consumers.spokes.profile import Profile
from consumers.spokes.profile_schema import profile_schema
from schemas.files.yaml_file import read_yaml_file
from tests.harness.command_line import southbound

ROOT = Path(__file__).parents[3]
OPEN_SLICE = ROOT / "docs" / "examples" / "open-slice.yaml"
LINK = "# yaml-language-server: $schema="
PROFILES = sorted([*ROOT.glob("southbound/defaults/spokes/*.yaml"), *ROOT.glob("deploy/spokes/*.yaml"), OPEN_SLICE])


def schema_accepts(fields: Any) -> bool:  # noqa: ANN401 - any YAML
    return jsonschema_rs.validator_for(orjson.loads(profile_schema())).is_valid(fields)


def test_the_shipped_profiles_are_listed() -> None:
    listed = [orjson.loads(line) for line in southbound("spokes", "list", "--json").stdout.splitlines()]
    assert [row["spoke"] for row in listed] == ["copper-lab", "fibre-lab"]
    assert "http://127.0.0.1:8701" in southbound("spokes", "list").stdout


def test_a_valid_profile_is_named() -> None:
    result = southbound("spokes", "check", str(OPEN_SLICE))
    assert result.exit_code == 0
    assert "spoke open-slice is valid" in result.stdout


def test_what_a_mapping_drops_is_told(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    mapping = "mapping: {send: [{drop: /characteristic}, {drop: /description}], create: [{drop: /characteristic}]}\n"
    for text, notes in ((mapping, ["note: the mapping drops /characteristic, /description of an order"]), ("", [])):
        file.write_text(f"name: lab\nbase_url: http://lab\n{text}", encoding="utf-8")
        result = southbound("spokes", "check", str(file))
        assert result.exit_code == 0
        assert [line.partition(", and")[0] for line in result.stdout.splitlines() if line.startswith("note:")] == notes


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: lab\nbase_url: http://lab\npatchabel: []\n", ":3: spoke 'lab', field 'patchabel': no such field"),
        ("name: lab\nbase_url: http://lab\nauth: {kind: bearer, token: env:NOT_SET}\n", "variable NOT_SET"),
    ],
)
def test_a_mistake_or_a_missing_secret_is_named(text: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(text, encoding="utf-8")
    result = southbound("spokes", "check", str(file))
    assert sentence in result.stderr


def test_a_profile_is_shown_with_what_it_sets_and_the_defaults() -> None:
    shown = southbound("spokes", "show", str(OPEN_SLICE)).stdout
    rows = {line.split()[0]: line.split()[-1] for line in shown.splitlines()}
    assert (rows["payload.measures"], rows["payload.definition_ids"], rows["retry.max_attempts"]) == (
        "profile",
        "default",
        "default",
    )
    assert re.search(r"^digest +[0-9a-f]{8} ", shown, re.MULTILINE)
    as_json = orjson.loads(southbound("spokes", "show", str(OPEN_SLICE), "--json").stdout)
    assert Profile.model_validate(as_json).paging == "none"


def test_fault_a_profile_with_statuses_or_methods_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    said = "status_meanings: {403: busy, POST 404: refused}\nsuccess_codes_by_method: {PATCH: [202, 201]}\n"
    file.write_text(f"name: lab\nbase_url: http://lab\n{said}", encoding="utf-8")
    result = southbound("spokes", "show", str(file))
    assert result.exit_code == 0
    shown = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert '{"403":"busy","POST 404":"refused"}' in shown["status_meanings"]
    assert '{"PATCH":[201,202]}' in shown["success_codes_by_method"]


def test_an_unknown_spoke_is_answered_with_those_that_exist() -> None:
    error = southbound("spokes", "show", "moon-lab").stderr
    assert "there is no spoke 'moon-lab'" in error
    assert "copper-lab, fibre-lab" in error


@pytest.mark.parametrize("file", PROFILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_profiles_that_are_shipped_fit_the_schema_to_which_they_link(file: Path) -> None:
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith(LINK)
    linked = (file.parent / first.removeprefix(LINK)).resolve()
    assert linked.read_text(encoding="utf-8") == profile_schema()
    assert schema_accepts(read_yaml_file(file).value)


@pytest.mark.parametrize(
    "fields",
    [
        {"mapping": {"send": [{"from": "/name", "to": "/title", "values": {"a": 1}}]}},
        {"status_meanings": {"POST 403": "busy"}, "success_codes_by_method": {"PATCH": [201]}},
        {"proxy": {"url": "http://proxy:3128"}, "run_headers": {"tenant": "X-Tenant"}},
    ],
)
def test_the_schema_accepts_what_the_loader_accepts(fields: dict[str, Any]) -> None:
    whole = {"name": "lab", "base_url": "http://lab"} | fields
    assert Profile.model_validate(whole).name == "lab"
    assert schema_accepts(whole)


@pytest.mark.parametrize("fields", [{"patchabel": []}, {"status_meanings": {"403": "wrong"}}, {"cancel": "shout"}])
def test_the_schema_refuses_what_is_no_profile(fields: dict[str, Any]) -> None:
    assert not schema_accepts({"name": "lab", "base_url": "http://lab"} | fields)
