"""Run `southbound` commands in the process of the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.testing import CliRunner

from southbound.cli.app import app

if TYPE_CHECKING:
    from typer.testing import Result


def southbound(*words: str, stdin: str | None = None, **environment: str) -> Result:
    """Run `southbound WORDS` with these environment variables."""
    return CliRunner().invoke(app, list(words), input=stdin, env={"COLUMNS": "200", "NO_COLOR": "1", **environment})
