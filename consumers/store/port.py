"""The run store as its users see it: read rows, save rows over their predecessors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from consumers.store.claims.poll_claims import PollClaims
    from consumers.store.claims.write_claims import WriteClaims
    from consumers.store.specifications.port import SpecificationStore
    from consumers.store.timelines.port import TimelineStore
    from router.runs.requests.progress import StateCount
    from router.runs.run import RequestRow, RunRow
    from router.selection.thresholds import ThresholdUse, UseCount
    from schemas.vocabulary import Phase


class ConflictError(Exception):
    """Another consumer updated the run: read again and decide again. Nothing of this save was written."""


class ExternalIdTakenError(ConflictError):
    """Another run already has this external id at this spoke; reading again will not help."""


class StoreUnavailableError(Exception):
    """The database is locked or cannot be reached; nothing was written; try again later."""


class UnstorableError(Exception):
    """The database can never store this row or id (it contains a NUL character, for example); nothing was written."""


class ThresholdReachedError(Exception):
    """The definition has no use left in this window: decide again without it. Nothing of this save was written."""

    def __init__(self, use: ThresholdUse) -> None:
        super().__init__(use)  # as it was passed, so that the exception can be copied
        self.use = use

    def __str__(self) -> str:
        """Describe what is used up, and until when."""
        return f"{self.use.definition} is used up until {self.use.window.end.isoformat()}"


class WaitingQueue(Protocol):
    """Requests that wait because every definition that matches is used up, each by what it waits for.

    Every method raises StoreUnavailableError during an outage.
    """

    async def read_counts(self, definitions: Collection[str]) -> Sequence[UseCount]:
        """Return how often these definitions were used, for the last windows of each."""

    async def read_lengths(self) -> Mapping[tuple[str, ...], int]:
        """Return the number of queued requests, by what they wait for."""

    async def read_first(
        self, waits_for: Collection[tuple[str, ...]], limit: int, after: RunRow | None = None
    ) -> Sequence[RunRow]:
        """Return the roots that wait for one of these, the oldest first. `after` is the last row of the page before."""

    async def abandoned(self, since: datetime, limit: int) -> Sequence[RunRow]:
        """Return roots that were released before `since` and whose commands were perhaps never published."""


class PrunePosition(NamedTuple):
    """Up to which run, by the time of its last update, requests were looked at."""

    updated_at: datetime
    run_id: str


class PruneResult(NamedTuple):
    """How many runs were deleted, and where the next page begins; None if there is no other."""

    runs: int
    last: PrunePosition | None


class Pruning(Protocol):
    """Requests that ended long ago, which are deleted."""

    async def prune(self, before: datetime, limit: int, after: PrunePosition | None = None) -> PruneResult:
        """Delete requests of which every run has ended and none was updated since `before`, the oldest first.

        A run that waits for a check or in the queue keeps its request, and so does a run in fallout. One call deletes
        about `limit` runs, or one whole request, in one transaction.

        Raises:
            StoreUnavailableError: nothing was deleted.
        """


class RunStore(Protocol):
    """Rows of runs and requests. Concurrent reads are grouped into one transaction.

    Every read raises StoreUnavailableError during an outage, and UnstorableError for an id that no row can have.
    """

    @property
    def waiting_queue(self) -> WaitingQueue:
        """The requests that wait in the queue."""

    @property
    def pruning(self) -> Pruning:
        """The requests that ended long ago."""

    @property
    def specifications(self) -> SpecificationStore:
        """The test specifications of the topic."""

    @property
    def write_claims(self) -> WriteClaims:
        """What the targets of the role `writeback` have of each run."""

    @property
    def poll_claims(self) -> PollClaims:
        """The runs that are silent, and which of them are polled."""

    @property
    def timelines(self) -> TimelineStore:
        """What happened to each run: its HTTP attempts and states."""

    async def run(self, run_id: str) -> RunRow | None:
        """Return one run."""

    async def run_to_send(self, run_id: str) -> RunRow | None:
        """Return a run whose next row is saved before anything else is stored, published or sent because of this one.

        It may be the row as this process routed it, and outdated. Saving over an outdated row raises a ConflictError;
        read again, it is up to date.
        """

    async def run_by_external_id(self, spoke: str, external_id: str) -> RunRow | None:
        """Return the run with this external id at a spoke."""

    async def own_external_ids(self, spoke: str, external_ids: Collection[str]) -> frozenset[str]:
        """Return which of these are ids of tests that our runs have at a spoke, or had before they were replaced."""

    async def run_by_cancel_task(self, spoke: str, task_id: str) -> RunRow | None:
        """Return a run whose cancellation is this task at a spoke, while it is followed."""

    async def run_of_replaced_test(self, spoke: str, external_id: str) -> RunRow | None:
        """Return the run that had a test with this id at a spoke before a change replaced it."""

    async def runs_of_request(self, request_id: str) -> Sequence[RunRow]:
        """Return all runs of one request, parents before children, in order."""

    async def has_open_runs(self, request_id: str) -> bool:
        """Return whether a run of this request has not ended, without reading any."""

    async def states_of_request(self, request_id: str) -> Sequence[StateCount]:
        """Return how many runs of this request are in which state and phase, without reading any."""

    async def request(self, request_id: str) -> RequestRow | None:
        """Return one outbound request."""

    async def save(self, *rows: RunRow | RequestRow | ThresholdUse) -> None:
        """Write rows together or not at all, and count uses with them.

        A run is written only over `revision - 1` (revision 1: only if there is none yet). A request row is written
        once; writing the same request again changes nothing. A use is counted if the rows are written and its window
        has a free use. A window that may have been deleted, because a later one than the next is counted, has none.

        Raises:
            ConflictError: another consumer updated a run.
            ExternalIdTakenError: a spoke answered with the same id for two runs.
            ThresholdReachedError: a use does not fit into its window.
            StoreUnavailableError: the database did not accept it.
            UnstorableError: it never will.
        """

    async def save_each(
        self, saves: Sequence[Sequence[RunRow | RequestRow | ThresholdUse]]
    ) -> Sequence[Exception | None]:
        """Save several times in one transaction, each by itself: None, or what `save` would have raised."""

    async def runs_to_check(self, until: datetime, limit: int, after: RunRow | None = None) -> Sequence[RunRow]:
        """Return runs whose next check is due, the most overdue first; `after`: the last row of the page before."""

    async def unmoved_runs(
        self, since: datetime, limit: int, after: RunRow | None = None, spoke: str | None = None
    ) -> Sequence[RunRow]:
        """Return runs that wait for a SendRun and were not updated since `since`; the longest wait first.

        `after` is the last row of the page before; `spoke`: only runs of this system.
        """

    async def pending_runs(self, since: datetime, limit: int) -> Sequence[RunRow]:
        """Return runs in phase `created` that were made before `since` and are not routed; oldest first."""

    async def list_runs(
        self, *, phase: Phase | None = None, spoke: str | None = None, limit: int = 50
    ) -> Sequence[RunRow]:
        """Return the most recently updated runs, for people."""

    async def ping(self) -> None:
        """Return if the store can be read and written.

        Raises:
            StoreUnavailableError: it cannot.
        """

    async def close(self) -> None:
        """Close the database."""
