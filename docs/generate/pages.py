"""The list of generated pages, and what each contains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.spokes.profile_schema import profile_schema
from docs.generate import (
    command_line,
    metrics,
    outcomes,
    profiles,
    roles,
    settings,
    states,
    streams,
    targets,
    tmf653_support,
    topics,
)
from southbound.simulator.scenario.scenario import scenario_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": command_line.page,
    "metrics.md": metrics.page,
    "outcomes.md": outcomes.page,
    "profiles.md": profiles.page,
    "settings.md": settings.page,
    "states.md": states.page,
    "streams.md": streams.page,
    "targets.md": targets.page,
    "tmf653-support.md": tmf653_support.page,
    "topics.md": topics.page,
}
NOTICE = "<!-- Generated from the code by `make docs`: change the code, not this page. -->\n\n"


# Beside the shipped profiles, which name it, so that it is part of the installed package.
SCHEMA_OF_PROFILES = "../southbound/defaults/profile.schema.json"
SCHEMA_OF_SCENARIOS = "../southbound/defaults/scenario.schema.json"


def pages() -> dict[str, str]:
    """Return the text of every generated page by its file name, relative to `docs/`."""
    schemas = {SCHEMA_OF_PROFILES: profile_schema(), SCHEMA_OF_SCENARIOS: scenario_schema()}
    return {name: NOTICE + page() for name, page in PAGES.items()} | {roles.PAGE.name: roles.page()} | schemas
