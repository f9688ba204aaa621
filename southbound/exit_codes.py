"""Exit codes, and the error that ends a command with sentences for an operator."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(IntEnum):
    """The exit codes of every command."""

    SUCCESS = 0
    UNEXPECTED = 1
    INVALID_INPUT = 2
    UNREACHABLE = 3
    UNCLEAN_SHUTDOWN = 4
    INTERRUPTED = 130


EXIT_CODE_MEANINGS: dict[ExitCode, str] = {
    ExitCode.SUCCESS: "done, or stopped by a signal with everything under way finished",
    ExitCode.UNEXPECTED: "unexpected error; the output helps a developer",
    ExitCode.INVALID_INPUT: "wrong usage, settings or files; every mistake is reported at once",
    ExitCode.UNREACHABLE: "Kafka, the run store or a port was not available in time",
    ExitCode.UNCLEAN_SHUTDOWN: "stopped before all work under way was finished; it is read again",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C before it was done",
}


class CommandFailedError(Exception):
    """Ends a command with an exit code; each message names what is wrong and what to do."""

    def __init__(self, exit_code: ExitCode, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.exit_code = exit_code
        self.sentences = sentences


def invalid_input(sentences: Iterable[str]) -> CommandFailedError:
    """Return the error for operator input that is wrong: usage, settings or files."""
    return CommandFailedError(ExitCode.INVALID_INPUT, *sentences)


def unreachable(sentence: str) -> CommandFailedError:
    """Return the error for Kafka, a database, a port or a file that cannot be reached."""
    return CommandFailedError(ExitCode.UNREACHABLE, sentence)
