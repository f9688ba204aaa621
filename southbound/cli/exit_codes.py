"""Say how a command ended: the exit codes, and failures that are sentences for an operator."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Exit(IntEnum):
    """The exit codes of every command."""

    DONE = 0
    UNEXPECTED = 1
    WRONG = 2
    NOT_REACHABLE = 3
    NOT_CLEAN = 4
    INTERRUPTED = 130


MEANINGS: dict[Exit, str] = {
    Exit.DONE: "done, or stopped as asked with everything under way finished",
    Exit.UNEXPECTED: "something unexpected; what is printed helps a developer",
    Exit.WRONG: "wrong usage, settings or files; every mistake is told at once",
    Exit.NOT_REACHABLE: "Kafka, the run store or a port was not to be had in time",
    Exit.NOT_CLEAN: "stopped, but what was under way did not finish in time; it is read again",
    Exit.INTERRUPTED: "interrupted with Ctrl-C before it was done",
}


class Failure(Exception):  # noqa: N818 - it is an end, not an error of ours
    """A command ends here; each sentence names the thing and what to do."""

    def __init__(self, exit_code: Exit, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.exit_code = exit_code
        self.sentences = sentences


def wrong(sentences: Iterable[str]) -> Failure:
    """Tell that what the operator wrote cannot be used."""
    return Failure(Exit.WRONG, *sentences)


def not_reachable(sentence: str) -> Failure:
    """Tell that something outside is not to be had."""
    return Failure(Exit.NOT_REACHABLE, sentence)
