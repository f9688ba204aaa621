"""Run `southbound replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from southbound.exit_codes import invalid_input
from southbound.operations.replay.compare import compare_store
from southbound.operations.replay.rebuild import rebuild_store
from southbound.operations.replay.replay_records import ReplayOptions, replay_records

if TYPE_CHECKING:
    from southbound.settings.settings import Settings

_COMMAND = "southbound replay"


def run_replay(settings: Settings, options: ReplayOptions, *, rebuild: bool, compare: bool, other: str | None) -> int:
    """Run `southbound replay` in the one mode that is chosen.

    Raises:
        CommandFailedError: no mode or several are chosen, options do not belong together, or it fails.
    """
    resume = options.resume is not None
    if rebuild + compare + options.re_emit + resume > 1:
        raise invalid_input([f"{_COMMAND}: choose one of --rebuild, --compare, --re-emit and --resume"])
    if not (rebuild or compare or options.re_emit or resume) and options == ReplayOptions(as_json=options.as_json):
        raise invalid_input(
            [f"{_COMMAND}: choose one of --rebuild, --compare, --re-emit and --resume, or name records with --topic"]
        )
    if other and not compare:
        raise invalid_input([f"{_COMMAND}: --with belongs to --compare"])
    if rebuild or compare:
        if options != ReplayOptions(as_json=options.as_json) or (rebuild and options.as_json):
            raise invalid_input([f"{_COMMAND}: --rebuild takes no other option, and --compare only --with and --json"])
        return rebuild_store(settings) if rebuild else compare_store(settings, other=other, as_json=options.as_json)
    if resume and (not options.chosen.is_empty() or options.from_store or options.author or options.comment):
        raise invalid_input([f"{_COMMAND}: --resume goes on with what was chosen at first: leave out other options"])
    return replay_records(settings, options)
