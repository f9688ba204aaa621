"""Commands that read only files accept valid input and report each mistake in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from southbound.exit_codes import ExitCode
from southbound.settings.settings import DEFAULTS
from tests.harness.command_line import southbound

SECRET = "hunter2"  # noqa: S105 - a test value
COMMANDS = ("run", "demo", "broker", "simulate", "produce", "tail", "runs", "topics", "tables", "config")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A copy of the shipped policy that a test may change."""
    copy = tmp_path / "policy.yaml"
    copy.write_text((DEFAULTS / "tables/outbound-policy.yaml").read_text())
    return copy


def test_help_names_every_command_and_the_exit_codes() -> None:
    result = southbound("--help")
    assert result.exit_code == ExitCode.SUCCESS
    assert [command for command in COMMANDS if f" {command} " not in result.output] == []
    assert "130 interrupted" in " ".join(result.output.split())


@pytest.mark.parametrize(
    "command", [*COMMANDS, "runs list", "runs show", "topics plan", "topics apply", "tables check"]
)
def test_every_command_explains_itself(command: str) -> None:
    result = southbound(*command.split(), "--help")
    assert result.exit_code == ExitCode.SUCCESS
    assert "Usage" in result.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "rooting"], "'rooting' is not one of"),
        (["--wat"], "No such option: --wat: see `southbound --help`"),
        (["runs", "show"], "Missing argument 'ID': see `southbound runs show --help`"),
        (["broker", "--port", "99999"], "see `southbound broker --help`"),
    ],
)
def test_wrong_usage_is_one_sentence(words: list[str], expected: str) -> None:
    result = southbound(*words)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert expected in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_shipped_configuration_is_valid() -> None:
    result = southbound("config", "check")
    assert result.exit_code == ExitCode.SUCCESS
    assert "settings are valid" in result.stdout
    assert "spoke fibre-lab: http://127.0.0.1:8701" in result.stdout


def test_one_saved_test_is_counted_in_the_singular(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "table: p\ninputs: [{name: n, path: name, type: string}]\n"
        "outputs: [{name: hierarchical, type: boolean}, {name: payload, type: string, values: [per-run, bundle]}]\n"
        "rows: [{id: R, when: {n: x}, then: {hierarchical: true, payload: bundle}}]\n"
        "tests: [{name: t, given: {name: x}, expect: {row: R}}]\n"
    )
    checked = southbound("config", "check", SOUTHBOUND_ROUTING__POLICY=str(policy))
    assert ": 1 row, 1 saved test passed\n" in checked.stdout
    assert f"{policy}: the saved test passed\n" in southbound("tables", "test", str(policy)).stdout


def test_config_check_reports_callbacks_that_anyone_could_send() -> None:
    result = southbound("config", "check", SOUTHBOUND_LISTENER__HOST="0.0.0.0")  # noqa: S104 - nothing is bound
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert [line.split("'")[1] for line in result.stderr.splitlines()] == ["copper-lab", "fibre-lab"]
    assert all("set callback_auth" in line for line in result.stderr.splitlines())


def test_mistakes_in_settings_go_to_standard_error_one_per_line() -> None:
    result = southbound("config", "check", SOUTHBOUND_LOG__LEVEL="loud", SOUTHBOUND_HEALTH__PORT="x")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 2


def test_all_missing_secrets_are_reported_together(tmp_path: Path) -> None:
    for name in ("a-lab", "b-lab"):
        auth = f"{{kind: bearer, token: env:{name.upper()}}}"
        callbacks = "{kind: token, token: env:CALL}"
        profile = f"name: {name}\nbase_url: http://127.0.0.1:1/x\nauth: {auth}\ncallback_auth: {callbacks}\n"
        (tmp_path / f"{name}.yaml").write_text(profile)
    selector = tmp_path / "selector"
    selector.write_text(
        "selector: s\ninputs: [{name: n, path: name, type: string}]\n"
        "rows: [{id: R, order: 1, when: {n: x}, then: {spoke: a-lab}}]\n"
    )
    result = southbound(
        "config", "check", SOUTHBOUND_ROUTING__SPOKES=str(tmp_path), SOUTHBOUND_ROUTING__SELECTOR=str(selector)
    )
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert len(result.stderr.splitlines()) == 4
    assert all("set the environment variable" in line for line in result.stderr.splitlines())


def test_show_masks_every_secret_and_names_where_each_setting_comes_from(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(
        f"kafka:\n  registry: http://me:{SECRET}@registry\n"
        f"  client: {{sasl.username: me, ssl.key.password: {SECRET}}}\n"
    )
    environment = {
        "SOUTHBOUND_STORE__URL": f"postgresql+asyncpg://me:{SECRET}/{SECRET}@db/x?password={SECRET}",
        "SOUTHBOUND_KAFKA__PASSWORD": SECRET,
    }
    for_people = southbound("config", "show", "--config", str(config), **environment)
    result = southbound("config", "show", "--json", "--config", str(config), **environment)
    assert result.exit_code == for_people.exit_code == ExitCode.SUCCESS
    assert SECRET not in result.output + for_people.output
    settings = {line["setting"]: line for line in map(json.loads, result.stdout.splitlines())}
    assert settings["store.url"] == {
        "setting": "store.url",
        "value": "postgresql+asyncpg://me:******@db/x?password=******",
        "from": "SOUTHBOUND_STORE__URL",
    }
    assert settings["kafka.client"]["value"] == {"sasl.username": "me", "ssl.key.password": "******"}
    assert settings["kafka.registry"]["from"] == f"{config}:2"
    assert settings["worker.drain"]["from"] == "default"


def test_check_prints_the_kind_and_version_of_a_table(policy: Path) -> None:
    result = southbound("tables", "check", str(policy), str(DEFAULTS / "tables/spoke-selector.yaml"))
    assert result.exit_code == ExitCode.SUCCESS
    about_policy, about_selector = result.stdout.splitlines()
    assert "outbound policy outbound-policy@" in about_policy
    assert "5 saved tests passed" in about_policy
    assert "chooses among copper-lab, fibre-lab" in about_selector


def test_check_names_file_and_line_of_every_mistake_and_still_lists_valid_tables(policy: Path) -> None:
    good = policy.with_name("good.yaml")
    good.write_text(policy.read_text())
    policy.write_text(
        policy.read_text().replace("{spec: fibre-tree}", "{spek: fibre-tree}").replace('">= 1000"', '">> 1"')
    )
    result = southbound("tables", "check", str(policy), str(good), "nowhere.yaml")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "good.yaml: outbound policy" in result.stdout
    sentences = result.stderr.splitlines()
    assert len(sentences) == 3
    assert "policy.yaml:" in sentences[0]
    assert "spek" in sentences[0]
    assert "nowhere.yaml: cannot be read (No such file or directory)" in sentences[2]


def test_a_saved_test_that_fails_is_reported_with_its_line(policy: Path) -> None:
    policy.write_text(policy.read_text().replace("expect: {row: R20, hierarchical: false}", "expect: {row: R10}"))
    result = southbound("tables", "check", str(policy))
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "expected row R10, got row R20" in result.stderr


def test_a_selector_may_only_name_spokes_that_have_a_profile(tmp_path: Path) -> None:
    selector = tmp_path / "selector.yaml"
    shipped = (DEFAULTS / "tables/spoke-selector.yaml").read_text()
    selector.write_text(shipped.replace("then: {spoke: copper-lab}", "then: {spoke: coper-lab}", 1))
    result = southbound("tables", "check", str(selector))
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "coper-lab" in result.stderr


def test_of_more_mistakes_than_fit_on_a_screen_the_first_is_repeated(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    rows = "".join(
        f"  - {{id: R{n}, when: {{spec: 5}}, then: {{hierarchical: false, payload: per-run}}}}\n" for n in range(21)
    )
    policy.write_text((DEFAULTS / "tables/outbound-policy.yaml").read_text().partition("rows:")[0] + f"rows:\n{rows}")
    *complaints, last = southbound("tables", "check", str(policy)).stderr.splitlines()
    assert len(complaints) > 20
    assert (
        last == f"southbound: {len(complaints)} mistakes; the first was: {complaints[0].removeprefix('southbound: ')}"
    )


def test_nothing_is_produced_from_a_file_with_mistakes() -> None:
    Path("events.yaml").write_text(
        "- type: RunCancelled\n  data: {run_id: A, root_run_id: A}\n"
        "- type: RunRequestet\n  data: {}\n"
        "- type: RunCancelled\n  data: {run_id: A}\n"
    )
    result = southbound("produce", "events.yaml", SOUTHBOUND_KAFKA__BOOTSTRAP="127.0.0.1:1")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert result.stdout == ""
    assert [line.split(": ")[1].split(":")[1] for line in result.stderr.splitlines()] == ["3", "6"]


def test_mistakes_on_standard_input_are_reported_with_their_line() -> None:
    result = southbound("produce", "-", stdin='{"type": "RunCancelled", "data": {}}\n')
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "stdin:1: RunCancelled" in result.stderr


def test_json_with_a_byte_order_mark_is_read() -> None:
    Path("bom.json").write_text('{"type": "RunCancelled", "data": {}}', encoding="utf-8-sig")
    assert "bom.json:1: RunCancelled" in southbound("produce", "bom.json").stderr


def test_a_file_of_events_must_be_there() -> None:
    result = southbound("produce", "nowhere.yaml")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "nowhere.yaml: cannot be read as text (No such file or directory)" in result.stderr


def test_run_refuses_a_spoke_without_a_profile() -> None:
    result = southbound("run", "dispatch", "--spoke", "tin-lab")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "has no profile of this name, only copper-lab, fibre-lab" in result.stderr


def test_run_refuses_a_spoke_where_nothing_is_dispatched() -> None:
    result = southbound("run", "routing", "--spoke", "fibre-lab")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "add that role" in result.stderr


def test_simulate_reports_the_mistakes_of_a_script() -> None:
    Path("script.yaml").write_text("specifications: {a: {no: such}}\n")
    result = southbound("simulate", "--script", "script.yaml")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "script.yaml" in result.stderr


def test_simulate_checks_a_scenario_and_starts_nothing() -> None:
    Path("systems.yaml").write_text("systems: [{name: lab}, {name: other, preset: jobs, port: 8799}]\n")
    result = southbound("simulate", "--scenario", "systems.yaml", "--check")
    assert result.exit_code == ExitCode.SUCCESS
    assert result.stdout == "lab\ttmf653\t127.0.0.1:a free port\nother\tjobs\t127.0.0.1:8799\n"


def test_simulate_reports_the_mistakes_of_a_scenario() -> None:
    Path("systems.yaml").write_text("systems: [{name: lab, colour: red}]\n")
    result = southbound("simulate", "--scenario", "systems.yaml")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "systems.yaml:1: field 'systems.0.colour': no such field" in result.stderr


def test_simulate_reports_a_secret_that_a_scenario_lacks() -> None:
    Path("systems.yaml").write_text("systems: [{name: lab, access_tokens: {client_id: a, client_secret: env:NONE}}]\n")
    result = southbound("simulate", "--scenario", "systems.yaml", "--check")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "set the environment variable NONE" in result.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--check",), "--check needs --scenario FILE"),
        (("--scenario", "s.yaml", "--open-slice"), "--scenario describes all systems: leave out"),
        (("--scenario", "s.yaml", "--port", "9000"), "--scenario describes all systems: leave out"),
    ],
)
def test_simulate_takes_a_scenario_or_the_other_options(options: tuple[str, ...], sentence: str) -> None:
    result = southbound("simulate", *options)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert sentence in result.stderr


def test_simulate_prints_the_schema_of_scenarios() -> None:
    result = southbound("simulate", "--schema")
    assert result.exit_code == ExitCode.SUCCESS
    assert json.loads(result.stdout)["title"] == "Scenario of simulated systems of Southbound"
