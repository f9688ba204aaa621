"""Options that several commands have, the exit codes in their help, and reading the settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from southbound.exit_codes import EXIT_CODE_MEANINGS, invalid_input

if TYPE_CHECKING:
    from southbound.settings.settings import LoadedSettings, Settings

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="Settings in YAML; by default the file that SOUTHBOUND_CONFIG names, or ./southbound.yaml if it exists.",
    ),
]
AuthorOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The author; without it the user of this system.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object per line, for other programs.")]

EXIT_CODES = (
    "**Exit codes**: " + " · ".join(f"{code.value} {meaning}" for code, meaning in EXIT_CODE_MEANINGS.items()) + "."
)


def read_settings(config: Path | None) -> Settings:
    """Read the settings.

    Raises:
        CommandFailedError: with every mistake in them.
    """
    return read_settings_with_origins(config).settings


def read_file_settings(config: Path | None) -> Settings:
    """Read the settings for a command on files, which needs none of Kafka.

    Raises:
        CommandFailedError: with every mistake in them.
    """
    from southbound.settings.settings import SettingsError, load_settings_for_files

    try:
        return load_settings_for_files(config, os.environ)
    except SettingsError as error:
        raise invalid_input(error.mistakes) from None


def read_settings_for_tables(config: Path | None, *names: str) -> Settings:
    """Read the settings for a command on tables: with those of Kafka only if one of the names is a published table.

    Raises:
        CommandFailedError: with every mistake in them.
    """
    from southbound.operations.tables.lookup import is_file

    return read_file_settings(config) if all(map(is_file, names)) else read_settings(config)


def read_settings_with_origins(config: Path | None) -> LoadedSettings:
    """Read the settings with the origin of each.

    Raises:
        CommandFailedError: with every mistake in them.
    """
    from southbound.settings.settings import SettingsError, load_with_origins

    try:
        loaded = load_with_origins(config, os.environ)
    except SettingsError as error:
        raise invalid_input(error.mistakes) from None
    if loaded.settings.kafka.client:
        _check_librdkafka_settings(loaded)
    return loaded


def _check_librdkafka_settings(loaded: LoadedSettings) -> None:
    from southbound.settings.kafka_check import invalid_settings
    from southbound.settings.kafka_client_names import refusal

    kafka = loaded.settings.kafka
    allowed = {name: value for name, value in kafka.client.items() if refusal(name) is None}
    ours = kafka.model_copy(update={"client": allowed}).overrides()
    problems = invalid_settings({**kafka.client, **ours})
    sentences = [
        f"{loaded.collected.origin('kafka', 'client', *([n] if n else []))}: kafka.client: {c}" for n, c in problems
    ]
    if sentences:
        raise invalid_input([f"{sentence}: correct or remove it" for sentence in sentences])
