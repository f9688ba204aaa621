"""The run store as its users see it: read rows, save rows over their predecessors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from router.runs.run import RequestRow, RunRow
    from router.selection.thresholds import ThresholdUse, UseCount
    from schemas.vocabulary import Phase


class ConflictError(Exception):
    """Somebody else moved the run: read again and decide again. Nothing of this save was written."""


class ExternalIdTakenError(ConflictError):
    """Another run already has this external id at this spoke; reading again will not help."""


class StoreUnavailableError(Exception):
    """The database is locked or cannot be reached; nothing was written; try again later."""


class UnstorableError(Exception):
    """The database will never take this row or id (a NUL character in it, say); nothing of a save was written."""


class ThresholdReachedError(Exception):
    """The definition has no use left in this window: decide again without it. Nothing of this save was written."""

    def __init__(self, use: ThresholdUse) -> None:
        super().__init__(use)  # as it was given, so that it can be copied
        self.use = use

    def __str__(self) -> str:
        """Say what is used up, and until when."""
        return f"{self.use.definition} is used up until {self.use.window.end.isoformat()}"


class WaitingQueue(Protocol):
    """Requests that wait because every definition that fits is used up, each by what it waits for.

    Every method raises StoreUnavailableError for weather.
    """

    async def counts(self, definitions: Collection[str]) -> Sequence[UseCount]:
        """Read how often these definitions were used, for the last windows of each."""

    async def lengths(self) -> Mapping[tuple[str, ...], int]:
        """Count the requests in line, by what they wait for."""

    async def first(
        self, waits_for: Collection[tuple[str, ...]], limit: int, after: RunRow | None = None
    ) -> Sequence[RunRow]:
        """Read the roots that wait for one of these; first made, first given. `after`: the last of the page before."""

    async def left_behind(self, since: datetime, limit: int) -> Sequence[RunRow]:
        """Read roots that were routed in their turn before then, and perhaps never commanded."""


class RunStore(Protocol):
    """Rows of runs and requests. Concurrent calls are grouped into one transaction.

    Every read raises StoreUnavailableError for weather, and UnstorableError for an id that no row can have.
    """

    @property
    def line(self) -> WaitingQueue:
        """The requests that wait for their turn."""

    async def run(self, run_id: str) -> RunRow | None:
        """Read one run."""

    async def run_to_send(self, run_id: str) -> RunRow | None:
        """Read a run whose next row is saved before anything else is stored, told or sent because of this one.

        It may be the row as this process routed it, and outdated. Whoever saves over an outdated row gets a
        ConflictError; read again, it is up to date.
        """

    async def run_at(self, spoke: str, external_id: str) -> RunRow | None:
        """Read the run that a spoke knows under its own id."""

    async def runs_of_request(self, request_id: str) -> Sequence[RunRow]:
        """Read all runs of one request, parents before children, in order."""

    async def has_open_runs(self, request_id: str) -> bool:
        """Tell whether a run of this request has not ended, without reading any."""

    async def request(self, request_id: str) -> RequestRow | None:
        """Read one outbound request."""

    async def save(self, *rows: RunRow | RequestRow | ThresholdUse) -> None:
        """Write rows together or not at all, and count uses with them.

        A run is written only over `revision - 1` (revision 1: only where there is none yet).
        A request row is written once; writing the same request again changes nothing.
        A use is counted if the rows are written, and if its window has room for it. A window that may have been
        forgotten, because a later one than the next is counted, has none.

        Raises:
            ConflictError: a run was moved by somebody else.
            ExternalIdTakenError: a spoke gave the same id to two runs.
            UsedUpError: a use does not fit into its window.
            StoreUnavailableError: the database did not take it.
            UnstorableError: it never will.
        """

    async def save_each(
        self, saves: Sequence[Sequence[RunRow | RequestRow | ThresholdUse]]
    ) -> Sequence[Exception | None]:
        """Save several times in one transaction, each by itself: None, or what `save` would have raised."""

    async def silent_runs(
        self, spoke: str, since: datetime, limit: int, after: RunRow | None = None
    ) -> Sequence[RunRow]:
        """Read runs that are out at a spoke, not ended, and not updated since then; longest silent first.

        `after` is the last row of the page before.
        """

    async def waiting_runs(self, since: datetime, limit: int) -> Sequence[RunRow]:
        """Read runs in phase `created` that were made before then and are not routed; longest waiting first."""

    async def list_runs(
        self, *, phase: Phase | None = None, spoke: str | None = None, limit: int = 50
    ) -> Sequence[RunRow]:
        """Read the most recently updated runs, for people."""

    async def ping(self) -> None:
        """Return if the store can be read.

        Raises:
            StoreUnavailableError: it cannot.
        """

    async def close(self) -> None:
        """Let go of the database."""
