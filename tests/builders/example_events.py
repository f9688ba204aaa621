"""Read the example event files, as `southbound produce` does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from schemas.catalogue import CATALOGUE
from schemas.files.event_file import read_events

if TYPE_CHECKING:
    from schemas.codec.envelope import Event

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "schemas" / "examples"
GOLDEN = ROOT / "tests" / "data" / "golden"

EVERY_VERSION = [(entry.name, version) for entry in CATALOGUE for version in range(1, entry.versions + 1)]
NEWEST = [(entry.name, entry.versions) for entry in CATALOGUE]


def example(name: str, version: int = 1) -> Event:
    path = EXAMPLES / name / f"v{version}.json"
    (event,) = read_events(path.read_text("utf-8"), file=path.name, new_id=lambda: "none of the examples needs one")
    return event


def golden(name: str, version: int = 1) -> bytes:
    return bytes.fromhex((GOLDEN / f"{name}-v{version}.hex").read_text("ascii"))
