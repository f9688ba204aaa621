"""Turn the expected errors of a command into sentences on standard error and an exit code."""

from __future__ import annotations

import sys
from typing import Any

from typer import Abort, TyperException, echo, style
from typer.core import TyperGroup

from southbound.cli.exit_codes import CommandFailedError, ExitCode

MAX_ERRORS_ON_SCREEN = 20  # sentences; with more of them the first one scrolls out of sight


class CommandGroup(TyperGroup):
    """The `southbound` command, which prints errors as sentences and exits with the code of the command."""

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - as typer has it
        """Run one command and exit with its code."""
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except CommandFailedError as failure:
            code = _print_errors(failure.exit_code, *failure.sentences)
        except TyperException as usage_error:
            code = _print_errors(usage_error.exit_code, *_usage_error_sentence(usage_error))
        except Abort:
            code = ExitCode.INTERRUPTED
        sys.exit(code if isinstance(code, int) else ExitCode.SUCCESS)


def _print_errors(code: int, *sentences: str) -> int:
    summary = (
        [f"{len(sentences):,} mistakes; the first was: {sentences[0]}"] if len(sentences) > MAX_ERRORS_ON_SCREEN else []
    )
    for sentence in (*sentences, *summary):
        echo(f"{style('southbound:', fg='red')} {sentence}", err=True)
    return code


def _usage_error_sentence(mistake: TyperException) -> tuple[str, ...]:
    context = getattr(mistake, "ctx", None)
    command = context.command_path if context else "southbound"
    message = mistake.format_message().replace("Value error, ", "").rstrip(".")
    return (f"{message}: see `{command} --help`",) if message else ()  # without a command the help has been printed
