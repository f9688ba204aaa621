"""What several commands have in common: the option for settings, and the exit codes in words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from southbound.cli.exit_codes import MEANINGS, wrong

if TYPE_CHECKING:
    from southbound.settings.settings import LoadedSettings, Settings

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="Settings in YAML. Without it: the file that SOUTHBOUND_CONFIG names, or ./southbound.yaml if it exists.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line, for other programs.")]

EXIT_CODES = "**Exit codes**: " + " · ".join(f"{code.value} {meaning}" for code, meaning in MEANINGS.items()) + "."


def settings_from(config: Path | None) -> Settings:
    """Read the settings, or end with every mistake in them."""
    return loaded_from(config).settings


def loaded_from(config: Path | None) -> LoadedSettings:
    """Read the settings and who gave them, or end with every mistake in them."""
    from southbound.settings.settings import SettingsError, load  # noqa: PLC0415 - `--help` needs no settings

    try:
        loaded = load(config, os.environ)
    except SettingsError as error:
        raise wrong(error.mistakes) from None
    if loaded.settings.kafka.client:
        _must_suit_librdkafka(loaded)
    return loaded


def _must_suit_librdkafka(loaded: LoadedSettings) -> None:
    from southbound.settings.kafka_check import claims_about  # noqa: PLC0415 - most commands are quicker without

    claims = claims_about(loaded.settings.kafka.overrides())
    told = [f"{loaded.given.origin('kafka', 'client', *([n] if n else []))}: kafka.client: {c}" for n, c in claims]
    if told:
        raise wrong([f"{sentence}: correct or remove it" for sentence in told])
