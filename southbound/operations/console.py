"""Print results and progress: with rich formatting on a terminal, as plain and wide lines elsewhere."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

DEFAULT_CONSOLE_WIDTH = 200  # columns without a terminal, unless COLUMNS is set


def console() -> Console:
    """Return the console for the results of a command, on standard output."""
    width = None if sys.stdout.isatty() else shutil.get_terminal_size((DEFAULT_CONSOLE_WIDTH, 24)).columns
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)


def print_result(renderable: RenderableType) -> None:
    """Print one result to standard output."""
    console().print(renderable)


def count_noun(number: int, thing: str) -> str:
    """Return a number with its noun, such as `1 row` or `1,200 rows`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def print_status(sentence: str) -> None:
    """Print progress or a note to standard error."""
    Console(file=sys.stderr, highlight=False, stderr=True).print(Text(sentence, style="dim"), soft_wrap=True)
