"""The role api does not start where anyone could use it, or with half of what tokens are checked by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from southbound.exit_codes import ExitCode
from southbound.service.open_api import access_mistakes
from southbound.settings.access import AccessSettings
from southbound.settings.settings import SettingsError, load_settings
from tests.harness.command_line import southbound

if TYPE_CHECKING:
    from pathlib import Path

    from southbound.settings.settings import Settings

TOKENS = {"issuer": "https://id.example.com", "audience": "southbound", "jwks_url": "https://id.example.com/keys"}
KEY_FILE = "clients: [{name: a, tenant: t, scopes: [read], keys: ['env:KEY']}]"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_an_interface_for_this_machine_needs_no_credentials(host: str) -> None:
    assert access_mistakes(host, AccessSettings(), {}) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "api.example.com", ""])  # noqa: S104 - nothing is bound
def test_an_interface_for_others_is_refused_in_one_sentence(host: str) -> None:
    (mistake,) = access_mistakes(host, AccessSettings(), {})
    assert mistake.startswith(f"the API is on {host}, and anyone who reaches it could")
    assert access_mistakes(host, AccessSettings(**TOKENS), {}) == []


def test_a_file_of_keys_is_enough_and_its_mistakes_are_reported(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    file.write_text(KEY_FILE)
    assert access_mistakes("::", AccessSettings(keys=file), {"KEY": "k" * 32}) == []
    (mistake,) = access_mistakes("::", AccessSettings(keys=file), {})
    assert mistake == f"{file}:1: client 'a': there is no secret at env:KEY: set the environment variable KEY"


def test_a_password_is_an_api_key_so_there_have_to_be_keys() -> None:
    (mistake,) = access_mistakes("127.0.0.1", AccessSettings(basic=True), {})
    assert mistake == "access.basic is set, but not access.keys: the password is an API key"


@pytest.mark.parametrize("missing", ["issuer", "audience", "jwks_url"])
def test_tokens_are_checked_by_three_settings_or_not_at_all(missing: str) -> None:
    (mistake,) = access_mistakes("127.0.0.1", AccessSettings(**{**TOKENS, missing: None}), {})
    assert f"is set, but not access.{missing}: tokens are checked by all three" in mistake


def loaded(tmp_path: Path, text: str = "", **environment: str) -> Settings:
    file = tmp_path / "southbound.yaml"
    file.write_text(text)
    return load_settings(file, {f"SOUTHBOUND_ACCESS__{name}": value for name, value in environment.items()})


def test_the_path_of_the_keys_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    assert loaded(tmp_path, "access: {keys: clients/keys.yaml}").access.keys == tmp_path / "clients/keys.yaml"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "JWKS_URL",
            "http://id.example.com/keys",
            "must begin with https://: anyone on the way could replace the keys",
        ),
        ("JWKS_URL", "https://user:hunter2@id.example.com/", "must not have a user or a password in it"),
        ("ALGORITHMS", "RS256, HS256", "may name RS256, RS384"),
        ("ALGORITHMS", "none", "may name RS256, RS384"),
        ("ALGORITHMS", ",", "may name RS256, RS384"),
        ("KEY_HEADER", "X Key", "must be the name of an HTTP header"),
        ("KEY_HEADER", "authorization", "must be the name of an HTTP header"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, proxy", "may hold addresses and networks"),
        ("LEEWAY", "301", "must be at most 300"),
        ("RATE", "0", "must be more than 0"),
    ],
)
def test_a_wrong_setting_is_refused_in_a_sentence(name: str, value: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        loaded(tmp_path, **{name: value})
    (mistake,) = raised.value.mistakes
    assert f"SOUTHBOUND_ACCESS__{name}: access.{name.lower()} {sentence}" in mistake
    assert "hunter2" not in mistake


def test_a_key_from_the_command_line_opens_once_it_is_listed() -> None:
    result = southbound("access", "key")
    assert result.exit_code == ExitCode.SUCCESS
    key, listed = (line.rpartition(": ")[2] for line in result.stdout.splitlines())
    assert (len(key), key[:4]) == (47, "sbk_")
    assert "sha256" in result.stdout
    assert len(listed.removeprefix("sha256:")) == 64
    assert southbound("access", "key").stdout != result.stdout
