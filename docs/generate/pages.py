"""The list of generated pages, and what each contains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.generate import command_line, metrics, profiles, settings, states, streams, targets, topics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": command_line.page,
    "metrics.md": metrics.page,
    "profiles.md": profiles.page,
    "settings.md": settings.page,
    "states.md": states.page,
    "streams.md": streams.page,
    "targets.md": targets.page,
    "topics.md": topics.page,
}
NOTICE = "<!-- Generated from the code by `make docs`: change the code, not this page. -->\n\n"


def pages() -> dict[str, str]:
    """Return the text of every generated page by its file name."""
    return {name: NOTICE + page() for name, page in PAGES.items()}
