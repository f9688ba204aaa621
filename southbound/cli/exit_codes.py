"""Exit codes, and the errors that end a command with sentences for an operator."""

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
    ExitCode.SUCCESS: "success, or stopped on request after all running work was finished",
    ExitCode.UNEXPECTED: "unexpected error; the output helps a developer",
    ExitCode.INVALID_INPUT: "invalid usage, settings or files; all mistakes are reported at once",
    ExitCode.UNREACHABLE: "Kafka, the run store or a port was not available in time",
    ExitCode.UNCLEAN_SHUTDOWN: "stopped, but running work did not finish in time; it is read again",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C before the end",
}


class CommandFailedError(Exception):
    """A command ends here; each sentence names the thing and what to do."""

    def __init__(self, exit_code: ExitCode, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.exit_code = exit_code
        self.sentences = sentences


def invalid_input(sentences: Iterable[str]) -> CommandFailedError:
    """Return the error for operator input that cannot be used."""
    return CommandFailedError(ExitCode.INVALID_INPUT, *sentences)


def unreachable(sentence: str) -> CommandFailedError:
    """Return the error for something outside that cannot be reached."""
    return CommandFailedError(ExitCode.UNREACHABLE, sentence)
