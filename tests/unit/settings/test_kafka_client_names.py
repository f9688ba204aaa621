"""A settings file cannot run code: librdkafka gets only settings that are on an allow list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from southbound.exit_codes import ExitCode
from southbound.settings.kafka_client_names import ALLOWED_CLIENT_SETTINGS, refusal
from southbound.settings.settings import KafkaSettings
from tests.harness.command_line import southbound

if TYPE_CHECKING:
    from pathlib import Path

DANGEROUS = [
    "plugin.library.paths",
    "ssl.engine.location",
    "ssl.engine.id",
    "ssl.providers",
    "sasl.kerberos.kinit.cmd",
    "sasl.kerberos.principal",
    "sasl.kerberos.keytab",
    "offset.store.path",
    "offset.store.method",
    "interceptors",
    "rebalance_cb",
    "open_cb",
    "sasl.oauthbearer.assertion.file",
]
TABLE = """
table: t
policy: first
inputs: [{name: n, path: name, type: string}]
outputs: [{name: out, type: string}]
rows: [{id: R1, when: {n: x}, then: {out: y}}]
"""


@pytest.mark.parametrize("name", DANGEROUS)
def test_a_setting_that_loads_code_runs_programs_or_writes_files_is_refused(name: str) -> None:
    result = southbound("config", "check", SOUTHBOUND_KAFKA__CLIENT=json.dumps({name: "/tmp/evil"}))  # noqa: S108 - a name
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert f'"{name}" is not passed on' in result.stderr


@pytest.mark.parametrize("name", DANGEROUS)
def test_no_client_is_ever_opened_with_such_a_setting(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        KafkaSettings(client={name: "x"}).overrides()


def test_the_allow_list_has_no_name_that_the_rules_for_dangerous_ones_cover() -> None:
    assert [name for name in DANGEROUS if name in ALLOWED_CLIENT_SETTINGS] == []


def test_a_setting_that_southbound_owns_is_refused_with_that_reason() -> None:
    assert refusal("enable.auto.commit") == '"enable.auto.commit" is set by Southbound itself'


@pytest.mark.parametrize("where", ["file", "environment"])
@pytest.mark.parametrize(
    "command",
    [
        ("tables", "check", "t.yaml"),
        ("tables", "analyse", "t.yaml"),
        ("tables", "test", "t.yaml"),
        ("tables", "import", "t.yaml"),
        ("tables", "export", "t.yaml", "--to", "csv"),
        ("tables", "diff", "t.yaml", "t.yaml"),
        ("tables", "explain", "t.yaml", "--event", "event.yaml"),
    ],
    ids=lambda command: command[1],
)
def test_commands_on_files_read_no_kafka_settings(
    where: str, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with somebody else's `southbound.yaml` is enough for the attack; the pre-commit hook runs there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.yaml").write_text(TABLE)
    (tmp_path / "event.yaml").write_text("{name: x}")
    environment = {}
    if where == "file":
        (tmp_path / "southbound.yaml").write_text("kafka:\n  bootstrap: [1]\n  client: {plugin.library.paths: evil}\n")
    else:
        environment = {"SOUTHBOUND_KAFKA__CLIENT": '{"plugin.library.paths": "evil"', "SOUTHBOUND_KAFKA__PROTOCOL": "x"}
    result = southbound(*command, **environment)
    assert result.exit_code == ExitCode.SUCCESS, result.output


def test_a_published_table_needs_the_settings_of_kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "southbound.yaml").write_text("kafka: {client: {plugin.library.paths: evil}}\n")
    result = southbound("tables", "export", "outbound-policy", "--to", "csv")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "southbound.yaml:1: kafka.client" in result.stderr
