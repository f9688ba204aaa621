"""Say in words where a run stands, and what it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.vocabulary import Phase
from southbound.operations.event_lines import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from router.runs.run import RunRow


def whereabouts(row: RunRow) -> list[str]:
    """Say where a run stands, why, and what else is known to be open."""
    reasons = [f"because {in_words(reason)}" for reason in row.reasons]
    return [f"{_WHERE[row.phase](row)}, since {moment(row.updated_at)}", *reasons, *_open(row)]


def moment(when: datetime) -> str:
    """Write a moment as the clock on the wall shows it."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _open(row: RunRow) -> Iterator[str]:
    if row.cancel_asked and row.phase is not Phase.CANCELLED:
        yield "its cancellation was asked for"
    if row.sent is not None and row.sent.version < row.requested.version:
        yield f"version {row.requested.version} is wanted, and version {row.sent.version} is what {row.spoke} was told"


def _created(row: RunRow) -> str:
    named = len(row.requested.child_run_ids)
    return f"it waits for the {named} children that it names" if named else "it waits for the root of its hierarchy"


def _waiting(row: RunRow) -> str:
    if not row.waits_for:
        return f"it waits with its root {row.root_run_id}, for which every request definition that fits is used up"
    return f"it waits for its turn at {', '.join(row.waits_for)}, and goes by itself"


def _routed(row: RunRow) -> str:
    after = f", after its parent {row.parent_run_id} is accepted" if row.parent_run_id else ""
    return f"it was decided and waits to be sent to {row.spoke}{after}"


def _accepted(row: RunRow) -> str:
    state = f", which says {row.state}" if row.state else ""
    return f"{row.spoke} has accepted it as {row.external_id}{state}"


def _fulfilled(row: RunRow) -> str:
    return f"{row.spoke} has completed it" + (f" with the result {row.result}" if row.result else " without a result")


def _fallout(row: RunRow) -> str:
    look = f"southbound tail dlq --from-start --no-follow --run {row.root_run_id}"
    return f"it waits for a person: mend the cause and redrive its dead letter (see `{look}`)"


_WHERE: dict[Phase, Callable[[RunRow], str]] = {
    Phase.CREATED: _created,
    Phase.WAITING: _waiting,
    Phase.ROUTED: _routed,
    Phase.SENDING: lambda row: f"a POST to {row.spoke} may be under way",
    Phase.RETRYING: lambda row: f"the last attempt at {row.spoke} failed for now; it is repeated",
    Phase.IN_DOUBT: lambda row: f"a POST to {row.spoke} had no answer; it is looked up before it is repeated",
    Phase.ACCEPTED: _accepted,
    Phase.IN_PROGRESS: _accepted,
    Phase.FULFILLED: _fulfilled,
    Phase.FAILED: lambda row: f"it failed at {row.spoke}" + (f", which says {row.state}" if row.state else ""),
    Phase.CANCELLED: lambda _: "it was cancelled",
    Phase.BLOCKED: lambda row: f"it was never sent, because its parent {row.parent_run_id} was never accepted",
    Phase.FALLOUT: _fallout,
    Phase.UNKNOWN: lambda _: "a newer version of Southbound wrote where it stands",
}
