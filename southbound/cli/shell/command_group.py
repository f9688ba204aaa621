"""Turn the expected errors of a command into sentences on standard error and an exit code."""

from __future__ import annotations

import os
import select
import sys
from typing import Any, TextIO

from typer import Abort, TyperException, echo, style
from typer.core import TyperGroup

from schemas.codec.printable import printable_lines
from southbound.cli.shell.unread_output import discard_output, discarding_unread_output, null_device
from southbound.exit_codes import CommandFailedError, ExitCode

MAX_ERRORS = 1_000  # sentences; nobody reads more of them
MAX_ERRORS_ON_SCREEN = 20  # sentences; with more of them the first one scrolls out of sight


class CommandGroup(TyperGroup):
    """The `southbound` command, which prints errors as sentences and exits with the code of the command."""

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - as typer has it
        """Run one command and exit with its code."""
        discarded_before = _is_discarded(sys.__stdout__)
        try:
            # Only a command that prints without an end ends with its reader.
            with discarding_unread_output():
                code = self._run(*args, **extra)
        except (BrokenPipeError, SystemExit) as end:
            # typer exits with 1 after a broken pipe, which is the code of an unexpected error.
            broken = isinstance(end, BrokenPipeError) or isinstance(end.__context__, BrokenPipeError)
            # rich puts the null device in the place of the pipe.
            discarded = _is_discarded(sys.__stdout__) and not discarded_before
            if not (broken and (discarded or _reader_is_gone())):
                raise
            _discard_output()
            code = ExitCode.SUCCESS
        sys.exit(code if isinstance(code, int) else ExitCode.SUCCESS)

    def _run(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - as typer has it
        try:
            return super().main(*args, **{**extra, "standalone_mode": False})
        except CommandFailedError as failure:
            return _print_errors(failure.exit_code, *failure.sentences)
        except TyperException as usage_error:
            return _print_errors(usage_error.exit_code, *_usage_error_sentence(usage_error))
        except Abort:
            return ExitCode.INTERRUPTED


def _reader_is_gone() -> bool:
    """Return whether the program behind the pipe, such as `head`, has read enough: a socket may break likewise."""
    poll = select.poll()
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed:
            poll.register(stream.fileno(), select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _is_discarded(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and os.path.sameopenfile(stream.fileno(), null_device())


def _discard_output() -> None:
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed:
            discard_output(stream)  # Python writes what is buffered at its end


def _print_errors(code: int, *sentences: str) -> int:
    summary = (
        [f"{len(sentences):,} mistakes; the first was: {sentences[0]}"] if len(sentences) > MAX_ERRORS_ON_SCREEN else []
    )
    for sentence in (*sentences[:MAX_ERRORS], *summary):
        echo(f"{style('southbound:', fg='red')} {printable_lines(sentence)}", err=True)
    return code


def _usage_error_sentence(mistake: TyperException) -> tuple[str, ...]:
    context = getattr(mistake, "ctx", None)
    command = context.command_path if context else "southbound"
    message = mistake.format_message().replace("Value error, ", "").rstrip(".")
    return (f"{message}: see `{command} --help`",) if message else ()  # without a command the help has been printed
