"""What is done inside one transaction, for a whole group of callers at once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never, cast

from consumers.store.statements import own_external_ids
from consumers.store.write_plan import StoredRevision, count_uses, lock_uses, plan_writes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Select

    from consumers.store.row_mapping import ColumnValues, MomentFormat
    from consumers.store.statements import Statements
    from consumers.store.write_plan import Refusal, Save, WritePlan

MEASURE_COUNT = 15  # the position of `measure_count` in `tables.runs`
EXTERNAL_ID = 10
SPOKE = 5
REQUEST_ID = 4


@dataclass(frozen=True, slots=True)
class RunById:
    """A query for the run with this id."""

    run_id: str


@dataclass(frozen=True, slots=True)
class RunByExternalId:
    """A query for the run with this external id at a spoke."""

    spoke: str
    external_id: str


@dataclass(frozen=True, slots=True)
class RunsByRequest:
    """A query for the runs of a request."""

    request_id: str


@dataclass(frozen=True, slots=True)
class OpenRunsByRequest:
    """A query for whether a request has runs that have not ended."""

    request_id: str


@dataclass(frozen=True, slots=True)
class StatesOfRequest:
    """A query for the number of runs of a request in each state."""

    request_id: str


@dataclass(frozen=True, slots=True)
class RequestById:
    """A query for the request with this id."""

    request_id: str


Query = RunById | RunByExternalId | RunsByRequest | OpenRunsByRequest | StatesOfRequest | RequestById


def description_of(question: Query) -> str:
    """Describe a query for people."""
    match question:
        case RunById():
            return f"a run {question.run_id!r}"
        case RunByExternalId():
            return f"a run {question.external_id!r} at {question.spoke!r}"
        case RunsByRequest() | OpenRunsByRequest() | StatesOfRequest() | RequestById():
            return f"a request {question.request_id!r}"
        case _:
            assert_never(question)


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The result of one question: rows of one table, and the measures of those runs by run id."""

    rows: Sequence[ColumnValues]
    measures: Mapping[str, Sequence[ColumnValues]]


def run_queries(connection: Connection, sql: Statements, queries: Sequence[Query]) -> list[QueryResult]:
    """Answer all questions with one statement for each kind of them."""
    answers: dict[Query, list[ColumnValues]] = defaultdict(list)
    for values in _runs_by_id(connection, sql, queries):
        answers[RunById(values[0])].append(values)
    for values in _runs_by_external_id(connection, sql, queries):
        answers[RunByExternalId(values[SPOKE], values[EXTERNAL_ID])].append(values)
    for values in _runs_by_request(connection, sql, queries):
        answers[RunsByRequest(values[REQUEST_ID])].append(values)
    measures = read_measures(connection, sql, (values for found in answers.values() for values in found))
    for values in _open_requests(connection, sql, queries):
        answers[OpenRunsByRequest(values[0])].append(values)
    for values in _states_of_requests(connection, sql, queries):
        answers[StatesOfRequest(values[0])].append(values[1:])
    for values in _requests(connection, sql, queries):
        answers[RequestById(values[0])].append(values)
    return [QueryResult(answers.get(question, ()), measures) for question in queries]


def _runs_by_id(connection: Connection, sql: Statements, questions: Sequence[Query]) -> Sequence[ColumnValues]:
    ids = {question.run_id for question in questions if isinstance(question, RunById)}
    return _fetch(connection, sql.runs, sql.id_list(ids)) if ids else ()


def _runs_by_external_id(connection: Connection, sql: Statements, questions: Sequence[Query]) -> Iterable[ColumnValues]:
    ids: dict[str, set[str]] = defaultdict(set)
    for question in questions:
        if isinstance(question, RunByExternalId):
            ids[question.spoke].add(question.external_id)
    for spoke, external_ids in ids.items():
        yield from _fetch(connection, sql.runs_at, spoke, sql.id_list(external_ids))


def _runs_by_request(connection: Connection, sql: Statements, questions: Sequence[Query]) -> Sequence[ColumnValues]:
    ids = {question.request_id for question in questions if isinstance(question, RunsByRequest)}
    return _fetch(connection, sql.runs_of_requests, sql.id_list(ids)) if ids else ()


def _open_requests(connection: Connection, sql: Statements, questions: Sequence[Query]) -> Sequence[ColumnValues]:
    ids = {question.request_id for question in questions if isinstance(question, OpenRunsByRequest)}
    return _fetch(connection, sql.open_requests, sql.id_list(ids)) if ids else ()


def _states_of_requests(connection: Connection, sql: Statements, questions: Sequence[Query]) -> Sequence[ColumnValues]:
    ids = {question.request_id for question in questions if isinstance(question, StatesOfRequest)}
    return _fetch(connection, sql.states_of_requests, sql.id_list(ids)) if ids else ()


def _requests(connection: Connection, sql: Statements, questions: Sequence[Query]) -> Sequence[ColumnValues]:
    ids = {question.request_id for question in questions if isinstance(question, RequestById)}
    return _fetch(connection, sql.requests, sql.id_list(ids)) if ids else ()


def read_measures(
    connection: Connection, sql: Statements, found: Iterable[ColumnValues]
) -> Mapping[str, Sequence[ColumnValues]]:
    """Return the measures of those runs that have any, by run id."""
    measured = {values[0] for values in found if values[MEASURE_COUNT]}
    by_run: dict[str, list[ColumnValues]] = defaultdict(list)
    if measured:
        for values in _fetch(connection, sql.measures, sql.id_list(measured)):
            by_run[values[0]].append(values)
    return by_run


def select_own_external_ids(
    connection: Connection, sql: Statements, spoke: str, ids: Collection[str]
) -> frozenset[str]:
    """Return which of these ids a run has, or had before its test was replaced."""
    wanted = {"ids": sql.id_list(ids)}
    statements = own_external_ids(spoke, sql.dialect.name)
    return frozenset(found for each in statements for found in connection.execute(each, wanted).scalars())


def select_runs(connection: Connection, sql: Statements, statement: Select[*tuple[object, ...]]) -> QueryResult:
    """Return the runs of a rarely used statement."""
    rows = cast("Sequence[ColumnValues]", connection.execute(statement).all())
    return QueryResult(rows, read_measures(connection, sql, rows))


def write(
    connection: Connection, sql: Statements, saves: Sequence[Save], moments: MomentFormat
) -> list[Refusal | None]:
    """Write what may be written; return None or an error for each save."""
    ids = {move.run_id for save in saves for move in save.runs}
    kept = _lock_revisions(connection, sql, ids) if ids else {}
    uses = lock_uses(connection, sql, saves, moments)
    plan = plan_writes(saves, kept, uses)
    _write_requests(connection, sql, plan)
    _write_runs(connection, sql, plan)
    _write_measures(connection, sql, plan, kept)
    _write_replaced(connection, sql, plan)
    count_uses(connection, sql, plan, uses, moments)
    return plan.results


def write_unless_written(
    connection: Connection, sql: Statements, saves: Sequence[Save], moments: MomentFormat
) -> list[Refusal | None]:
    """Retry a write whose commit was not confirmed; skip rows that are stored exactly as requested."""
    ids = {move.run_id for save in saves for move in save.runs}
    _lock_revisions(connection, sql, ids)
    there = set(_fetch(connection, sql.runs, sql.id_list(ids)))
    missing = [save for save in saves if not all(move.values in there for move in save.runs)]
    answers = dict(zip(map(id, missing), write(connection, sql, missing, moments), strict=True))
    return [answers.get(id(save)) for save in saves]


def _lock_revisions(connection: Connection, sql: Statements, ids: Iterable[str]) -> dict[str, StoredRevision]:
    known = _fetch(connection, sql.revisions, sql.id_list(ids))
    return {run_id: StoredRevision(revision=revision, measure_count=count) for run_id, revision, count in known}


def _write_requests(connection: Connection, sql: Statements, plan: WritePlan) -> None:
    if plan.requests:
        # Sorted, here and below, so that two processes lock the same row first and do not deadlock.
        connection.exec_driver_sql(sql.insert_request, sorted(plan.requests, key=_first_value))


def _write_runs(connection: Connection, sql: Statements, plan: WritePlan) -> None:
    if plan.new:
        connection.exec_driver_sql(sql.insert_run, sorted((run.values for run in plan.new.values()), key=_first_value))
    if plan.changed:
        turned = ((*run.values[1:], run.run_id) for run in plan.changed.values())
        connection.exec_driver_sql(sql.update_run, sorted(turned, key=_last_value))


def _write_measures(
    connection: Connection, sql: Statements, plan: WritePlan, stored: Mapping[str, StoredRevision]
) -> None:
    outdated = [run_id for run_id in plan.changed if stored[run_id].measure_count]
    if outdated:
        connection.exec_driver_sql(sql.delete_measures, (sql.id_list(outdated),))
    measures = [values for run in plan.runs for values in run.measures]
    if measures:
        connection.exec_driver_sql(sql.insert_measure, measures)


def _write_replaced(connection: Connection, sql: Statements, plan: WritePlan) -> None:
    replaced = [values for run in plan.runs for values in run.replaced]
    if replaced:
        connection.exec_driver_sql(sql.insert_replaced, sorted(replaced))


def _first_value(values: ColumnValues) -> str:
    return cast("str", values[0])


def _last_value(values: ColumnValues) -> str:
    return cast("str", values[-1])


def _fetch(connection: Connection, statement: str, *parameters: object) -> Sequence[ColumnValues]:
    return cast("Sequence[ColumnValues]", connection.exec_driver_sql(statement, parameters).all())
