"""The entries of a run's timeline, and how many of them are kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

from router.responses import Purpose, Verdict
from schemas.vocabulary import Phase, RunState

MAX_ATTEMPTS = 50  # of a run; older ones are summarised
MAX_CHANGES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAttempt:
    """One HTTP call about a run.

    `status` is None if there was no response; `failure` then says what happened. `seconds` is how long it took. The
    digests are the first 32 hexadecimal digits of the SHA-256 of the bodies; the bodies themselves are kept only where
    the profile says so, with secrets masked. `profile_digest` tells the versions of the profile of the system apart.
    """

    kind: Literal["attempt"] = "attempt"
    at: datetime
    system: str
    purpose: Purpose
    method: str
    url: str
    status: int | None = None
    failure: str | None = None
    seconds: float
    verdict: Verdict
    codes: tuple[str, ...] = ()  # of the reasons in the response
    request_digest: str | None = None
    response_digest: str | None = None
    request_body: str | None = None
    response_body: str | None = None
    profile_digest: str | None = None  # None: recorded by an earlier version


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """A run has another phase or state than before."""

    kind: Literal["change"] = "change"
    at: datetime
    phase: Phase
    state: RunState | None
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OmittedEntries:
    """How many entries are not kept, and of which time they were."""

    kind: Literal["omitted"] = "omitted"
    at: datetime
    until: datetime
    attempts: int = 0
    changes: int = 0


TimelineEntry = HttpAttempt | StateChange | OmittedEntries
E = TypeVar("E", HttpAttempt, StateChange)


def limit_entries(entries: Iterable[TimelineEntry]) -> tuple[TimelineEntry, ...]:
    """Return the entries in order of time: the newest attempts and changes, after a summary of all older ones.

    Equal entries count once: a write that was cancelled, or never answered, is repeated and may have succeeded.
    """
    ordered = sorted(dict.fromkeys(entries), key=lambda entry: entry.at)
    attempts = [entry for entry in ordered if isinstance(entry, HttpAttempt)]
    changes = [entry for entry in ordered if isinstance(entry, StateChange)]
    dropped: list[HttpAttempt | StateChange] = [*_oldest(attempts, MAX_ATTEMPTS), *_oldest(changes, MAX_CHANGES)]
    gone = [entry for entry in ordered if isinstance(entry, OmittedEntries)]
    if not dropped and not gone:
        return tuple(ordered)
    known = {id(entry) for entry in dropped}
    kept = [entry for entry in ordered if not isinstance(entry, OmittedEntries) and id(entry) not in known]
    return (_summary(gone, dropped), *kept)


def _oldest(entries: Sequence[E], limit: int) -> Sequence[E]:
    return entries[: max(0, len(entries) - limit)]


def _summary(gone: Sequence[OmittedEntries], dropped: Sequence[HttpAttempt | StateChange]) -> OmittedEntries:
    return OmittedEntries(
        at=min(entry.at for entry in (*gone, *dropped)),
        until=max([*(entry.until for entry in gone), *(entry.at for entry in dropped)]),
        attempts=sum(entry.attempts for entry in gone) + sum(isinstance(entry, HttpAttempt) for entry in dropped),
        changes=sum(entry.changes for entry in gone) + sum(isinstance(entry, StateChange) for entry in dropped),
    )
