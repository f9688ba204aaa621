"""A scenario describes any number of systems in one file, and its mistakes are reported with their lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema_rs import Draft202012Validator

from consumers.spokes.credentials import CallbackToken, SecretMissingError
from schemas.files.yaml_file import read_yaml_file
from southbound.simulator.external_system import ExternalSystem
from southbound.simulator.instance.service_now import ServiceNowInstance
from southbound.simulator.presets.jobs import JobsLikeSystem
from southbound.simulator.presets.open_slice import OpenSliceLikeSystem
from southbound.simulator.scenario.build_systems import build_systems
from southbound.simulator.scenario.model_file import ModelFileError
from southbound.simulator.scenario.scenario import SimulationScenario, read_scenario, scenario_schema
from southbound.simulator.scenario.shipped import shipped_scenario
from southbound.simulator.script import demo_script

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "simulated-systems.yaml"


def a_scenario(*systems: dict[str, Any], **more: Any) -> SimulationScenario:  # noqa: ANN401 - fields of a scenario
    return SimulationScenario.model_validate({"systems": systems, **more})


def read_text(folder: Path, text: str) -> SimulationScenario:
    file = folder / "systems.yaml"
    file.write_text(text, encoding="utf-8")
    return read_scenario(file)


def mistakes_in(folder: Path, text: str) -> list[str]:
    with pytest.raises(ModelFileError) as raised:
        read_text(folder, text)
    return [line.partition("systems.yaml:")[2] for line in str(raised.value).splitlines()]


def test_the_shipped_example_is_valid_and_has_one_system_of_each_kind_that_is_called() -> None:
    scenario = read_scenario(EXAMPLE)
    systems = build_systems(scenario, 1, {})
    assert [type(system) for system in systems] == [
        ExternalSystem,
        ExternalSystem,
        ExternalSystem,
        OpenSliceLikeSystem,
        JobsLikeSystem,
    ]


def test_the_shipped_example_has_every_fault_that_needs_no_secret() -> None:
    faulty = read_scenario(EXAMPLE).systems[0]
    assert [fault for fault, share in faulty.request_faults.shares.items() if not share] == ["expired_token"]
    assert all(faulty.callback_faults.shares.values())


def test_the_published_schema_accepts_the_example_and_refuses_a_wrong_field() -> None:
    published = orjson.loads((ROOT / "southbound/defaults/scenario.schema.json").read_bytes())
    assert published == json.loads(scenario_schema())
    schema, example = Draft202012Validator(published), read_yaml_file(EXAMPLE).value
    assert list(schema.iter_errors(example)) == []
    assert isinstance(example, dict)
    assert list(schema.iter_errors(example | {"sede": 1}))


def test_every_field_of_a_scenario_is_described() -> None:
    described = json.loads(scenario_schema())
    undescribed = [
        f"{name}.{field}"
        for name, model in {"scenario": described, **described["$defs"]}.items()
        if name not in {"Reason", "NoAuth", "BasicAuth", "CallbackToken", "CallbackSignature", "CallbackCertificate"}
        for field, schema in model.get("properties", {}).items()
        if "description" not in schema
    ]
    assert undescribed == []


def test_presets_set_what_the_file_does_not() -> None:
    strict, old, spelled = a_scenario(
        {"name": "a", "preset": "v5"},
        {"name": "b", "preset": "r18.5"},
        {"name": "c", "preset": "r18.5", "deviations": {"state_spellings": {"inProgress": "running"}}},
    ).systems
    assert strict.version == "5.0"
    assert (old.version, old.deviations.success_statuses, old.deviations.error_codes) == (
        "4.0",
        {"PATCH": 201},
        "number",
    )
    assert spelled.deviations.success_statuses == {"PATCH": 201}
    assert spelled.deviations.state_spellings == {"inProgress": "running"}


@pytest.mark.parametrize(
    ("system", "sentence"),
    [
        ("{preset: open-slice, hub: listing}", "the preset open-slice has no 'hub'"),
        ("{preset: jobs, version: '4.1'}", "the preset jobs has no 'version'"),
        ("{preset: servicenow, default: {}}", "the preset servicenow has no 'default'"),
        ("{preset: v5, version: '4.1'}", "the preset v5 has the version 5.0"),
        ("{request_faults: {expired_token: 0.1}}", "request_faults.expired_token needs 'access_tokens'"),
        ("{hub: unsupported, callback_faults: {lost: 1}}", "callback_faults need a 'callback' or a hub"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(tmp_path: Path, system: str, sentence: str) -> None:
    text = f"systems:\n  - {system.replace('{', '{name: lab, ', 1)}\n"
    (mistake,) = mistakes_in(tmp_path, text)
    assert mistake.startswith(f"2: field 'systems.0': {sentence}")


@pytest.mark.parametrize(
    ("systems", "sentence"),
    [
        ("[]", "1: the whole scenario: a scenario needs at least one system: add it to 'systems'"),
        ("[{name: a}, {name: a}]", "1: the whole scenario: two systems have the name a: rename one"),
        ("[{name: a, port: 7}, {name: b, port: 7}]", "1: the whole scenario: two systems have the port 7: change one"),
    ],
)
def test_systems_differ_by_name_and_port(tmp_path: Path, systems: str, sentence: str) -> None:
    assert mistakes_in(tmp_path, f"systems: {systems}\n") == [sentence]


def test_all_mistakes_are_reported_at_once_with_their_lines_and_never_with_a_secret(tmp_path: Path) -> None:
    text = """
systems:
  - name: Lab
    callback: {url: 'http://user:s3cret@lab.example/listener'}
    request_faults: {lsow: 0.1, garbage: 2}
  - name: b
    access_tokens: {client_id: me, client_secret: s3cret}
"""
    found = mistakes_in(tmp_path, text)
    assert sorted(line.partition(": ")[0] for line in found) == ["3", "4", "5", "5", "7"]
    assert "5: field 'systems.0.request_faults.lsow': no such field: did you mean 'slow'?" in found
    assert "s3cret" not in "\n".join(found)


def test_a_scenario_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"nowhere\.yaml:1: cannot be read .*: name a scenario"):
        read_scenario(tmp_path / "nowhere.yaml")


def test_a_version_may_be_written_as_a_number(tmp_path: Path) -> None:
    assert read_text(tmp_path, "systems: [{name: a, version: 4.2}]").systems[0].version == "4.2"


@pytest.mark.parametrize(
    "fields",
    [
        {"callback": {"url": "http://lab.example/", "auth": {"kind": "token", "token": "env:ABSENT"}}},
        {"access_tokens": {"client_id": "me", "client_secret": "env:ABSENT"}},
    ],
)
def test_a_secret_that_is_missing_is_reported_before_the_start(fields: dict[str, Any]) -> None:
    with pytest.raises(SecretMissingError, match="ABSENT"):
        build_systems(a_scenario({"name": "lab", **fields}), 1, {})


def test_the_options_of_the_command_are_a_scenario() -> None:
    scenario = shipped_scenario(
        script=demo_script(),
        first_port=8701,
        latency=0.5,
        listener="http://127.0.0.1:8700",
        credentials={"fibre-lab": CallbackToken(token="env:T")},  # noqa: S106 - where it is
        open_slice=True,
    )
    assert [(each.name, each.preset, each.port, each.latency) for each in scenario.systems] == [
        ("fibre-lab", "tmf653", 8701, 0.5),
        ("copper-lab", "tmf653", 8702, 0.5),
        ("servicenow", "servicenow", 8703, 0.5),
        ("open-slice", "open-slice", 8704, 0.5),
    ]
    systems = build_systems(scenario, 0, {"T": "s3cret"})
    assert isinstance(systems[2], ServiceNowInstance)
    assert isinstance(systems[0], ExternalSystem)
    (subscription,) = systems[0].notifications.subscriptions.values()
    assert subscription.callback == "http://127.0.0.1:8700/fibre-lab/listener"
    assert subscription.sign(b"") == {"X-Southbound-Token": "s3cret"}
