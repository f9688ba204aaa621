"""Write the pages that are made from the code, or tell which of them are out of date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from southbound.failures import Exit, wrong
from southbound.pages import command_line, metrics, settings, states, topics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": command_line.page,
    "metrics.md": metrics.page,
    "settings.md": settings.page,
    "states.md": states.page,
    "topics.md": topics.page,
}
MADE = "<!-- Made from the code by `southbound docs` (make docs): change the code, not this page. -->\n\n"


def write_pages(folder: Path) -> int:
    """Write every page into a folder that is there already."""
    if not folder.is_dir():
        raise wrong([f"{folder}: there is no such folder: start this from the root of the sources"])
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)  # noqa: T201 - it was asked for
    return Exit.DONE


def pages() -> dict[str, str]:
    """Make every page."""
    return {name: MADE + page() for name, page in PAGES.items()}
