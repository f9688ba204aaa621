"""A client setting that librdkafka refuses is reported in one sentence with its line, without a traceback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from southbound.exit_codes import ExitCode
from tests.harness.command_line import southbound

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2-and-more"  # noqa: S105 - a test value


def config_check_errors(client: dict[str, object]) -> list[str]:
    result = southbound("config", "check", SOUTHBOUND_KAFKA__CLIENT=json.dumps(client))
    assert result.exit_code == ExitCode.INVALID_INPUT, result.output
    return result.stderr.splitlines()


def test_config_check_refuses_a_misspelt_client_setting() -> None:
    result = southbound("topics", "plan", SOUTHBOUND_KAFKA__CLIENT='{"sasl.mechansim": "PLAIN"}')
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert result.stderr == (
        "southbound: SOUTHBOUND_KAFKA__CLIENT: kafka.client: No such configuration property: "
        '"sasl.mechansim": correct or remove it\n'
    )


def test_all_wrong_client_settings_are_reported_at_once() -> None:
    sentences = config_check_errors({"bogus": 1, "session.timeout.ms": "soon", "max.in.flight": 20, "linger.ms": 5})
    assert [name in sentence for name, sentence in zip(("bogus", "session", "max.in"), sentences, strict=True)]


def test_a_wrong_setting_of_the_file_is_reported_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("kafka:\n  client:\n    linger.ms: 5\n    bogus: 1\n")
    result = southbound("config", "check", "--config", str(file))
    assert f"{file}:4: kafka.client: No such" in result.stderr


def test_a_value_that_librdkafka_quotes_is_not_repeated() -> None:
    (sentence,) = config_check_errors({"compression.type": SECRET})
    assert 'for configuration property "compression.codec"' in sentence
    assert SECRET not in sentence


def test_a_login_without_a_user_is_reported() -> None:
    (sentence,) = config_check_errors({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"})
    assert "sasl.username and sasl.password must be set" in sentence


@pytest.mark.parametrize(
    "client",
    [
        {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "u", "sasl.password": SECRET},
        {"session.timeout.ms": 10_000, "linger.ms": 1, "group.instance.id": "a", "socket.keepalive.enable": True},
        {"group.protocol": "consumer"},
    ],
)
def test_settings_that_librdkafka_accepts_are_valid(client: dict[str, object]) -> None:
    result = southbound("config", "check", SOUTHBOUND_KAFKA__CLIENT=json.dumps(client))
    assert result.exit_code == ExitCode.SUCCESS, result.output
