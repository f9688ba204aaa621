"""What is done inside one transaction, for a whole group of callers at once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never, cast

from consumers.store.write_plan import StoredRevision, count_uses, lock_uses, plan_writes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Select

    from consumers.store.row_mapping import MomentFormat, Values
    from consumers.store.statements import Statements
    from consumers.store.write_plan import Refusal, Save, WritePlan

MEASURE_COUNT = 15  # the position of `measure_count` in `tables.runs`
EXTERNAL_ID = 10
SPOKE = 5
REQUEST_ID = 4


@dataclass(frozen=True, slots=True)
class RunById:
    """Which run has this id?"""

    run_id: str


@dataclass(frozen=True, slots=True)
class RunAt:
    """Which run does this spoke know under this id?"""

    spoke: str
    external_id: str


@dataclass(frozen=True, slots=True)
class RunsOf:
    """Which runs belong to this request?"""

    request_id: str


@dataclass(frozen=True, slots=True)
class OpenRunsOf:
    """Has this request runs that have not ended?"""

    request_id: str


@dataclass(frozen=True, slots=True)
class RequestById:
    """Which request has this id?"""

    request_id: str


Question = RunById | RunAt | RunsOf | OpenRunsOf | RequestById


def description_of(question: Question) -> str:
    """Describe a question for people."""
    match question:
        case RunById():
            return f"a run {question.run_id!r}"
        case RunAt():
            return f"a run {question.external_id!r} at {question.spoke!r}"
        case RunsOf() | OpenRunsOf() | RequestById():
            return f"a request {question.request_id!r}"
        case _:
            assert_never(question)


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The result of one question: rows of one table, and the measures of those runs by run id."""

    rows: Sequence[Values]
    measures: Mapping[str, Sequence[Values]]


def look_up(connection: Connection, sql: Statements, questions: Sequence[Question]) -> list[QueryResult]:
    """Answer all questions with one statement for each kind of them."""
    answers: dict[Question, list[Values]] = defaultdict(list)
    for values in _runs_by_id(connection, sql, questions):
        answers[RunById(values[0])].append(values)
    for values in _runs_at(connection, sql, questions):
        answers[RunAt(values[SPOKE], values[EXTERNAL_ID])].append(values)
    for values in _runs_of(connection, sql, questions):
        answers[RunsOf(values[REQUEST_ID])].append(values)
    measures = read_measures(connection, sql, (values for found in answers.values() for values in found))
    for values in _open_requests(connection, sql, questions):
        answers[OpenRunsOf(values[0])].append(values)
    for values in _requests(connection, sql, questions):
        answers[RequestById(values[0])].append(values)
    return [QueryResult(answers.get(question, ()), measures) for question in questions]


def _runs_by_id(connection: Connection, sql: Statements, questions: Sequence[Question]) -> Sequence[Values]:
    ids = {question.run_id for question in questions if isinstance(question, RunById)}
    return _fetch(connection, sql.runs, sql.id_list(ids)) if ids else ()


def _runs_at(connection: Connection, sql: Statements, questions: Sequence[Question]) -> Iterable[Values]:
    ids: dict[str, set[str]] = defaultdict(set)
    for question in questions:
        if isinstance(question, RunAt):
            ids[question.spoke].add(question.external_id)
    for spoke, external_ids in ids.items():
        yield from _fetch(connection, sql.runs_at, spoke, sql.id_list(external_ids))


def _runs_of(connection: Connection, sql: Statements, questions: Sequence[Question]) -> Sequence[Values]:
    ids = {question.request_id for question in questions if isinstance(question, RunsOf)}
    return _fetch(connection, sql.runs_of_requests, sql.id_list(ids)) if ids else ()


def _open_requests(connection: Connection, sql: Statements, questions: Sequence[Question]) -> Sequence[Values]:
    ids = {question.request_id for question in questions if isinstance(question, OpenRunsOf)}
    return _fetch(connection, sql.open_requests, sql.id_list(ids)) if ids else ()


def _requests(connection: Connection, sql: Statements, questions: Sequence[Question]) -> Sequence[Values]:
    ids = {question.request_id for question in questions if isinstance(question, RequestById)}
    return _fetch(connection, sql.requests, sql.id_list(ids)) if ids else ()


def read_measures(connection: Connection, sql: Statements, found: Iterable[Values]) -> Mapping[str, Sequence[Values]]:
    """Return the measures of those runs that have any, by run id."""
    measured = {values[0] for values in found if values[MEASURE_COUNT]}
    by_run: dict[str, list[Values]] = defaultdict(list)
    if measured:
        for values in _fetch(connection, sql.measures, sql.id_list(measured)):
            by_run[values[0]].append(values)
    return by_run


def select_runs(connection: Connection, sql: Statements, wanted: Select[*tuple[object, ...]]) -> QueryResult:
    """Return the runs of a rarely used statement."""
    rows = cast("Sequence[Values]", connection.execute(wanted).all())
    return QueryResult(rows, read_measures(connection, sql, rows))


def write(connection: Connection, sql: Statements, saves: Sequence[Save], clock: MomentFormat) -> list[Refusal | None]:
    """Write what may be written; return None or an error for each save."""
    ids = {move.run_id for save in saves for move in save.runs}
    kept = _lock(connection, sql, ids) if ids else {}
    uses = lock_uses(connection, sql, saves, clock)
    plan = plan_writes(saves, kept, uses)
    _write_requests(connection, sql, plan)
    _write_runs(connection, sql, plan)
    _write_measures(connection, sql, plan, kept)
    count_uses(connection, sql, plan, uses, clock)
    return plan.answers


def write_unless_written(
    connection: Connection, sql: Statements, saves: Sequence[Save], clock: MomentFormat
) -> list[Refusal | None]:
    """Write after a commit that was never answered: what is stored exactly as requested was written by it."""
    ids = {move.run_id for save in saves for move in save.runs}
    _lock(connection, sql, ids)
    there = set(_fetch(connection, sql.runs, sql.id_list(ids)))
    missing = [save for save in saves if not all(move.values in there for move in save.runs)]
    answers = dict(zip(map(id, missing), write(connection, sql, missing, clock), strict=True))
    return [answers.get(id(save)) for save in saves]


def _lock(connection: Connection, sql: Statements, ids: Iterable[str]) -> dict[str, StoredRevision]:
    known = _fetch(connection, sql.revisions, sql.id_list(ids))
    return {run_id: StoredRevision(revision=revision, measure_count=count) for run_id, revision, count in known}


def _write_requests(connection: Connection, sql: Statements, plan: WritePlan) -> None:
    if plan.requests:
        # Sorted, here and below, so that two processes lock the same row first and do not deadlock.
        connection.exec_driver_sql(sql.insert_request, sorted(plan.requests, key=_first))


def _write_runs(connection: Connection, sql: Statements, plan: WritePlan) -> None:
    if plan.new:
        connection.exec_driver_sql(sql.insert_run, sorted((run.values for run in plan.new.values()), key=_first))
    if plan.changed:
        turned = ((*run.values[1:], run.run_id) for run in plan.changed.values())
        connection.exec_driver_sql(sql.update_run, sorted(turned, key=_last))


def _write_measures(
    connection: Connection, sql: Statements, plan: WritePlan, kept: Mapping[str, StoredRevision]
) -> None:
    outdated = [run_id for run_id in plan.changed if kept[run_id].measure_count]
    if outdated:
        connection.exec_driver_sql(sql.delete_measures, (sql.id_list(outdated),))
    measures = [values for run in plan.runs for values in run.measures]
    if measures:
        connection.exec_driver_sql(sql.insert_measure, measures)


def _first(values: Values) -> str:
    return cast("str", values[0])


def _last(values: Values) -> str:
    return cast("str", values[-1])


def _fetch(connection: Connection, statement: str, *parameters: object) -> Sequence[Values]:
    return cast("Sequence[Values]", connection.exec_driver_sql(statement, parameters).all())
