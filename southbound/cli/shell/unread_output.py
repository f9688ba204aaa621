"""Let a command go on to its end and its exit code when nobody reads its output any more, as behind `| head`."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO, cast

from typer.core import TyperCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer._click.core import Context


class _UnreadOutput:
    """A stream that discards what is written to it as soon as its pipe is closed."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text, or discard it."""
        try:
            return self.stream.write(text)
        except BrokenPipeError:
            discard_output(self.stream)
            return len(text)

    def flush(self) -> None:
        """Write what is buffered, or discard it."""
        try:
            self.stream.flush()
        except BrokenPipeError:
            discard_output(self.stream)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self.stream, name)


class StreamingCommand(TyperCommand):
    """A command that may print without an end, and has nothing else to do: it ends with its reader."""

    def invoke(self, ctx: Context) -> Any:  # noqa: ANN401 - as typer has it
        """Run the command."""
        streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = map(_without_wrapper, streams)
        try:
            return super().invoke(ctx)
        finally:
            sys.stdout, sys.stderr = streams


@contextmanager
def discarding_unread_output() -> Iterator[None]:
    """Discard what is written to a closed pipe during the block, where that would otherwise be an error."""
    # None if the process has no standard output at all.
    streams: list[TextIO | None] = [sys.stdout, sys.stderr]
    sys.stdout, sys.stderr = map(_wrapped, streams)
    try:
        yield
        if streams[0] is not None:
            sys.stdout.flush()
    finally:
        sys.stdout, sys.stderr = streams


def discard_output(stream: TextIO) -> None:
    """Discard what a stream has buffered, and what is written to it from now on."""
    os.dup2(null_device(), stream.fileno())


@cache
def null_device() -> int:
    """Return the open null device."""
    return os.open(os.devnull, os.O_WRONLY)


def _wrapped(stream: TextIO | None) -> TextIO:
    # A test may have put a buffer there.
    is_of_process = stream is not None and stream in {sys.__stdout__, sys.__stderr__}
    return cast("TextIO", _UnreadOutput(cast("TextIO", stream)) if is_of_process else stream)


def _without_wrapper(stream: object) -> TextIO:
    return stream.stream if isinstance(stream, _UnreadOutput) else cast("TextIO", stream)
