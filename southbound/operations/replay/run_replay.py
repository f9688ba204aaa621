"""Run `southbound replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from southbound.cli.exit_codes import invalid_input
from southbound.operations.replay.compare import compare_store
from southbound.operations.replay.rebuild import rebuild_store

if TYPE_CHECKING:
    from southbound.settings.settings import Settings


def run_replay(settings: Settings, *, rebuild: bool, compare: bool, other: str | None, as_json: bool) -> int:
    """Run `southbound replay` in the one mode that is chosen.

    Raises:
        CommandFailedError: no mode or several are chosen, or it fails.
    """
    if rebuild + compare != 1:
        raise invalid_input(["southbound replay: choose one of --rebuild and --compare"])
    if rebuild:
        if other or as_json:
            raise invalid_input(["southbound replay: --with and --json belong to --compare"])
        return rebuild_store(settings)
    return compare_store(settings, other=other, as_json=as_json)
