"""Print results and progress: with rich formatting on a terminal, as plain and wide lines elsewhere."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.measure import Measurement
from rich.segment import Segment
from rich.text import Text

from schemas.codec.printable import printable_json, printable_lines

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType, RenderResult

DEFAULT_CONSOLE_WIDTH = 200  # columns


def console(*, plain_width: int = DEFAULT_CONSOLE_WIDTH) -> Console:
    """Return the console for the results of a command, on standard output.

    `plain_width`: its columns without a terminal, unless COLUMNS is set.
    """
    width = None if sys.stdout.isatty() else shutil.get_terminal_size((plain_width, 24)).columns
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)


def print_result(renderable: RenderableType) -> None:
    """Print one result to standard output."""
    console().print(Printable(renderable))


def print_text(text: str, *, flush: bool = False) -> None:
    """Print lines to standard output, without characters that control a terminal."""
    print(printable_lines(text), flush=flush)


def print_json(text: str, *, flush: bool = False) -> None:
    """Print a JSON value to standard output; characters that control a terminal are escaped."""
    print(printable_json(text), flush=flush)


def print_content(text: str) -> None:
    """Write the content of a file to standard output: exactly, unless it is a terminal."""
    sys.stdout.write(printable_lines(text) if sys.stdout.isatty() else text)


class Printable:
    """Something that rich renders, without characters that control a terminal; the styles of rich are kept."""

    def __init__(self, renderable: RenderableType) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render it."""
        for segment in console.render(self._renderable, options):
            yield segment if segment.control else Segment(printable_lines(segment.text), segment.style)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Measure it."""
        return Measurement.get(console, options, self._renderable)


def print_status(sentence: str) -> None:
    """Print progress or a note to standard error."""
    Console(file=sys.stderr, highlight=False, stderr=True).print(
        Text(printable_lines(sentence), style="dim"), soft_wrap=True
    )
