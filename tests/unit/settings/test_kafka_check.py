"""What librdkafka would not take is a sentence with its line, and not the traceback of the first client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from southbound.cli.exit_codes import ExitCode
from tests.harness.command_line import southbound

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2-and-more"  # noqa: S105 - the tests look for it


def config_check_errors(client: dict[str, object]) -> list[str]:
    result = southbound("config", "check", SOUTHBOUND_KAFKA__CLIENT=json.dumps(client))
    assert result.exit_code == ExitCode.INVALID_INPUT, result.output
    return result.stderr.splitlines()


def test_a_misspelt_setting_was_good_for_config_check_and_a_traceback_for_every_other_command() -> None:
    result = southbound("topics", "plan", SOUTHBOUND_KAFKA__CLIENT='{"sasl.mechansim": "PLAIN"}')
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert result.stderr == (
        "southbound: SOUTHBOUND_KAFKA__CLIENT: kafka.client: No such configuration property: "
        '"sasl.mechansim": correct or remove it\n'
    )


def test_every_setting_that_is_wrong_is_told_at_once() -> None:
    sentences = config_check_errors({"bogus": 1, "session.timeout.ms": "soon", "max.in.flight": 20, "linger.ms": 5})
    assert [name in sentence for name, sentence in zip(("bogus", "session", "max.in"), sentences, strict=True)]


def test_a_setting_of_the_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("kafka:\n  client:\n    linger.ms: 5\n    bogus: 1\n")
    result = southbound("config", "check", "--config", str(file))
    assert f"{file}:4: kafka.client: No such" in result.stderr


def test_a_value_that_librdkafka_quotes_is_not_repeated() -> None:
    (sentence,) = config_check_errors({"compression.type": SECRET})
    assert 'for configuration property "compression.codec"' in sentence
    assert SECRET not in sentence


def test_a_login_without_a_user_is_told() -> None:
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
def test_what_librdkafka_takes_is_good(client: dict[str, object]) -> None:
    result = southbound("config", "check", SOUTHBOUND_KAFKA__CLIENT=json.dumps(client))
    assert result.exit_code == ExitCode.SUCCESS, result.output
