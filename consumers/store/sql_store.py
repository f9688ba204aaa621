"""The run store in SQL: reads that arrive during a transaction share the next one; writes take turns."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, IntegrityError

from consumers.store.bulk_load import fill_store
from consumers.store.claims.sql_poll_claims import SqlPollClaims
from consumers.store.claims.sql_write_claims import SqlWriteClaims
from consumers.store.databases.address import database_at
from consumers.store.databases.database import CommitInDoubtError, is_unstorable_row
from consumers.store.document_cache import DocumentCache
from consumers.store.group_commit import GroupCommit
from consumers.store.identity import StoreIdentity
from consumers.store.migrate import upgrade_database
from consumers.store.orders.sql_order_store import SqlOrderStore
from consumers.store.port import ConflictError, ExternalIdTakenError, UnstorableError
from consumers.store.pruning import SqlPruning
from consumers.store.row_mapping import (
    measure_values,
    replaced_values,
    request_row,
    request_values,
    run_row,
    run_values,
    state_count,
)
from consumers.store.specifications.sql_specifications import SqlSpecifications
from consumers.store.statements import (
    counts_by_phase,
    latest_runs,
    pending_runs,
    run_of_replaced_test,
    runs_after,
    runs_of_cancel_task,
    runs_to_check,
    unmoved_runs,
)
from consumers.store.subscriptions.sql_deliveries import SqlSubscriptionStore
from consumers.store.timelines.sql_timeline import SqlTimelines
from consumers.store.transactions import (
    OpenRunsByRequest,
    Query,
    QueryResult,
    RequestById,
    RunByExternalId,
    RunById,
    RunsByRequest,
    StatesOfRequest,
    description_of,
    run_queries,
    select_own_external_ids,
    select_runs,
    write,
    write_unless_written,
)
from consumers.store.waiting_queue import SqlWaitingQueue
from consumers.store.write_plan import RunWrite, Save
from router.runs.checks.next_check import next_check
from router.runs.request_result import in_request_order
from router.runs.run import RequestRow, RunRow
from router.selection.thresholds import ThresholdUse
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Select

    from consumers.store.bulk_load import AcceptedGateway, RebuiltRows
    from consumers.store.databases.database import Database
    from consumers.store.databases.sqlite import Synchronous
    from router.runs.requests.progress import StateCount


MAX_ROUTED_ROWS = 2_000  # rows that dispatch need not read; about 5 KB each

MAX_GROUP_ROWS = 500  # questions in one transaction, about; beyond that it only gets longer, not cheaper


class SqlRunStore:
    """A `RunStore` over any `Database`; made by `open_store`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._documents = DocumentCache()
        self.identity = StoreIdentity(database)
        self.waiting_queue = SqlWaitingQueue(database, self._documents)
        self.pruning = SqlPruning(database)
        self.specifications = SqlSpecifications(database)
        self.subscriptions = SqlSubscriptionStore(database)
        self.orders = SqlOrderStore(database, self._documents)
        self.write_claims = SqlWriteClaims(database)
        self.poll_claims = SqlPollClaims(database, self._documents)
        self.timelines = SqlTimelines(database)
        self._routed: dict[str, RunRow] = {}
        self._reads: GroupCommit[Query, QueryResult] = GroupCommit(self._run_queries, max_weight=MAX_GROUP_ROWS)
        # Writes of one process take turns, in the order in which they came. `RunUpdater` groups them before: ADR-0020.
        self._writing = asyncio.Lock()
        self._write_probe: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Describe where rows are stored, without password."""
        return self._database.name

    async def run(self, run_id: str) -> RunRow | None:
        """Read one run."""
        return self._to_row(await self._reads.submit(RunById(run_id)))

    async def run_to_send(self, run_id: str) -> RunRow | None:
        """Read one run; the row comes from memory if routing in the same process has just saved it."""
        return self._routed.pop(run_id, None) or await self.run(run_id)

    async def run_by_external_id(self, spoke: str, external_id: str) -> RunRow | None:
        """Read the run with this external id at a spoke."""
        return self._to_row(await self._reads.submit(RunByExternalId(spoke, external_id)))

    async def own_external_ids(self, spoke: str, external_ids: Collection[str]) -> frozenset[str]:
        """Read which of these are ids of tests that our runs have or had at a spoke."""
        work = partial(select_own_external_ids, sql=self._database.sql, spoke=spoke, ids=external_ids)
        return await self._database.read(work)

    async def run_by_cancel_task(self, spoke: str, task_id: str) -> RunRow | None:
        """Read a run whose cancellation is this task at a spoke, while it is followed."""
        return next(iter(await self._select(runs_of_cancel_task(spoke, task_id))), None)

    async def run_of_replaced_test(self, spoke: str, external_id: str) -> RunRow | None:
        """Read the run that had a test with this id at a spoke before a change replaced it."""
        found = await self._select(run_of_replaced_test(spoke, external_id))
        return found[0] if found else None

    async def runs_of_request(self, request_id: str) -> Sequence[RunRow]:
        """Read all runs of one request, parents before children, in order."""
        return in_request_order(self._to_rows(await self._reads.submit(RunsByRequest(request_id))))

    async def has_open_runs(self, request_id: str) -> bool:
        """Return whether a run of this request has not ended, without reading any."""
        return bool((await self._reads.submit(OpenRunsByRequest(request_id))).rows)

    async def states_of_request(self, request_id: str) -> Sequence[StateCount]:
        """Return how many runs of this request are in which state and phase, without reading any."""
        found = await self._reads.submit(StatesOfRequest(request_id))
        return [state_count(values) for values in found.rows]

    async def request(self, request_id: str) -> RequestRow | None:
        """Read one outbound request."""
        found = await self._reads.submit(RequestById(request_id))
        return request_row(found.rows[0], self._database.moments) if found.rows else None

    async def save(self, *rows: RunRow | RequestRow | ThresholdUse) -> None:
        """Write rows together or not at all, and count uses with them."""
        [error] = await self.save_each([rows])
        if error is not None:
            raise error

    async def save_each(
        self, saves: Sequence[Sequence[RunRow | RequestRow | ThresholdUse]]
    ) -> Sequence[Exception | None]:
        """Write several saves in one transaction, each by itself."""
        prepared = [self._to_save(rows) for rows in saves]
        valid = [save for save in prepared if isinstance(save, Save)]
        answers = iter(await self._write_group(valid) if valid else ())
        errors = [next(answers) if isinstance(save, Save) else save for save in prepared]
        self._remember_routed([row for rows, error in zip(saves, errors, strict=True) if not error for row in rows])
        return errors

    def _remember_routed(self, rows: Iterable[RunRow | RequestRow | ThresholdUse]) -> None:
        self._routed |= {row.run_id: row for row in rows if isinstance(row, RunRow) and row.phase is Phase.ROUTED}
        while len(self._routed) > MAX_ROUTED_ROWS:
            del self._routed[next(iter(self._routed))]

    async def pending_runs(self, since: datetime, limit: int) -> Sequence[RunRow]:
        """Read runs that wait for the rest of their hierarchy; longest waiting first."""
        return await self._select(pending_runs(self._database.moments.write(since), limit))

    async def runs_to_check(self, until: datetime, limit: int, after: RunRow | None = None) -> Sequence[RunRow]:
        """Read runs whose next check is due; the most overdue first, a page at a time."""
        write = self._database.moments.write
        due = next_check(after) if after is not None else None
        last = (write(due), after.run_id) if after is not None and due is not None else None
        return await self._select(runs_to_check(write(until), limit, last))

    async def unmoved_runs(
        self, since: datetime, limit: int, after: RunRow | None = None, spoke: str | None = None
    ) -> Sequence[RunRow]:
        """Read runs that wait for a SendRun and were not updated since `since`, a page at a time."""
        write = self._database.moments.write
        last = (write(after.updated_at), after.run_id) if after is not None else None
        return await self._select(unmoved_runs(write(since), limit, last, spoke))

    async def list_runs(
        self, *, phase: Phase | None = None, spoke: str | None = None, limit: int = 50
    ) -> Sequence[RunRow]:
        """Read the most recently updated runs, for people."""
        return await self._select(latest_runs(phase, spoke, limit))

    async def count_by_phase(self, spoke: str | None = None) -> Mapping[Phase, int]:
        """Count the runs in each phase, for people: all of them are read."""

        def work(connection: Connection) -> dict[Phase, int]:
            return {Phase(phase): count for phase, count in connection.execute(counts_by_phase(spoke))}

        return await self._database.read(work)

    async def runs_after(self, run_id: str, limit: int) -> Sequence[RunRow]:
        """Read runs in the order of their ids, a page at a time; `run_id` is the last of the page before."""
        return await self._select(runs_after(run_id, limit))

    async def fill(self, batches: Callable[[], Iterable[RebuiltRows]], gateway: AcceptedGateway) -> None:
        """Fill this empty store with rebuilt rows, all or none; see `consumers.store.bulk_load`."""
        async with self._writing:
            await fill_store(self._database, self._documents, batches, gateway)

    async def ping(self) -> None:
        """Return if the tables can be read and written, for readiness.

        Raises:
            StoreUnavailableError: they cannot.
        """
        await self._reads.submit(RunById(""))
        # One at a time: probes that wait for a lock must not queue up before what has to be saved.
        if self._write_probe is None or self._write_probe.done():
            self._write_probe = asyncio.create_task(self.identity.write_nothing())
            self._write_probe.add_done_callback(_retrieve)
        await asyncio.shield(self._write_probe)

    async def close(self) -> None:
        """Finish what was requested, then close the database."""
        await self.orders.close()
        async with self._writing:
            await self._reads.drain()
        if self._write_probe is not None:
            await asyncio.wait([self._write_probe])
        await self._database.close()

    async def _run_queries(self, queries: Sequence[Query]) -> Sequence[QueryResult | Exception]:
        try:
            return await self._run_queries_together(queries)
        except (DBAPIError, ValueError, OverflowError, TypeError) as error:
            if not is_unstorable_row(error):
                raise
            if len(queries) == 1:
                description = description_of(queries[0])
                return [UnstorableError(f"run store {self.name} cannot have {description}: {_first_line(error)}")]
            half = len(queries) // 2  # halve the group until the failing one is alone
            return [*await self._run_queries(queries[:half]), *await self._run_queries(queries[half:])]

    async def _run_queries_together(self, queries: Sequence[Query]) -> Sequence[QueryResult]:
        return await self._database.read(partial(run_queries, sql=self._database.sql, queries=queries))

    async def _select(self, statement: Select[*tuple[object, ...]]) -> Sequence[RunRow]:
        return self._to_rows(
            await self._database.read(partial(select_runs, sql=self._database.sql, statement=statement))
        )

    async def _write_group(self, saves: Sequence[Save]) -> Sequence[Exception | None]:
        async with self._writing:
            return await self._write(saves)

    async def _write(self, saves: Sequence[Save]) -> Sequence[Exception | None]:
        try:
            return await self._write_together(saves)
        except (DBAPIError, ValueError, OverflowError, TypeError) as error:
            if not is_unstorable_row(error):
                raise
            if len(saves) == 1:
                return [await self._explain_error(saves[0], error)]
            half = len(saves) // 2  # halve the group until the failing one is alone
            return [*await self._write(saves[:half]), *await self._write(saves[half:])]

    async def _write_together(self, saves: Sequence[Save]) -> Sequence[Exception | None]:
        sql, moments = self._database.sql, self._database.moments
        try:
            return await self._database.write(partial(write, sql=sql, saves=saves, moments=moments))
        except CommitInDoubtError:
            return await self._database.write(partial(write_unless_written, sql=sql, saves=saves, moments=moments))

    async def _explain_error(self, save: Save, error: Exception) -> Exception:
        if not isinstance(error, IntegrityError):
            return UnstorableError(f"run store {self.name} cannot keep {_describe(save)}: {_first_line(error)}")
        for move in save.runs:
            holder = await self._external_id_holder(move)
            if holder not in {None, move.run_id}:
                return ExternalIdTakenError(
                    f"spoke {move.spoke!r} gave the id {move.external_id!r} to run {move.run_id!r},"
                    f" but it is already the id of run {holder!r}; ask the people of {move.spoke!r}"
                )
        return ConflictError(f"{_describe(save)}: another process wrote it meanwhile; read and decide again")

    async def _external_id_holder(self, move: RunWrite) -> str | None:
        if move.external_id is None:
            return None
        [found] = await self._run_queries_together([RunByExternalId(move.spoke, move.external_id)])
        return str(found.rows[0][0]) if found.rows else None

    def _to_save(self, rows: Sequence[RunRow | RequestRow | ThresholdUse]) -> Save | Exception:
        moments = self._database.moments
        try:
            moves = tuple([self._to_run_write(row) for row in rows if isinstance(row, RunRow)])
            requests = tuple([request_values(row, moments) for row in rows if isinstance(row, RequestRow)])
            others = len(rows) - len(moves) - len(requests)
            uses = tuple([row for row in rows if isinstance(row, ThresholdUse)]) if others else ()
            return Save(runs=moves, requests=requests, uses=uses)
        except (ValueError, TypeError) as error:
            return UnstorableError(f"a row cannot be written as JSON: {error}")
        except Exception as error:  # noqa: BLE001 - it belongs to this save and to no other
            return error

    def _to_run_write(self, row: RunRow) -> RunWrite:
        return RunWrite(
            run_id=row.run_id,
            revision=row.revision,
            spoke=row.spoke,
            external_id=row.external_id,
            values=run_values(row, self._database.moments, self._documents),
            measures=measure_values(row, self._database.moments),
            replaced=replaced_values(row) if row.replacement is not None else (),
        )

    def _to_row(self, result: QueryResult) -> RunRow | None:
        runs = self._to_rows(result)
        return runs[0] if runs else None

    def _to_rows(self, result: QueryResult) -> list[RunRow]:
        moments, documents = self._database.moments, self._documents
        return [run_row(row, result.measures.get(row[0], ()), moments, documents) for row in result.rows]


def _retrieve(probe: asyncio.Task[None]) -> None:
    """Retrieve the error of a probe for which nobody waits any more."""
    if not probe.cancelled():
        probe.exception()


def _describe(save: Save) -> str:
    runs = [f"run {move.run_id!r}" for move in save.runs]
    return ", ".join(runs or [f"request {values[0]!r}" for values in save.requests])


def _first_line(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return str(cause.__cause__ or cause).partition("\n")[0]


async def open_store(address: str, *, lock_timeout: float = 5.0, synchronous: Synchronous = "FULL") -> SqlRunStore:
    """Open `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE` and bring its tables up to date.

    `lock_timeout` (seconds) bounds the wait for other writers and for a connection. `synchronous` matters for SQLite
    only: FULL survives a power failure, for a disk flush per group; NORMAL only the end of the process at any moment.

    Raises:
        ValueError: the address is neither.
        SchemaError: a newer version wrote the tables.
        StoreUnavailableError: the database cannot be used now.
    """
    database = database_at(address, lock_timeout=lock_timeout, synchronous=synchronous)
    try:
        await upgrade_database(database)
    except BaseException:
        await database.close()
        raise
    return SqlRunStore(database)
