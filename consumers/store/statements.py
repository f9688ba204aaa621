"""The SQL of the run store, written once per kind of database.

SQLAlchemy writes it and knows the differences; it is kept as text and run with plain tuples, because binding by name
and type costs as much as SQLite itself (measured: 163 µs instead of 68 µs for thirty updates).
Lists of ids are one parameter, so that a statement's text, and what databases prepare for it, is always the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import (
    ARRAY,
    Text,
    any_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from consumers.store.tables import (
    definition_uses,
    orders,
    outbound_requests,
    poll_claims,
    replaced_tests,
    run_measures,
    run_timeline,
    runs,
    written_runs,
)
from router.runs.states import TERMINAL
from router.runs.transitions import ACCEPTED_PHASES, COMMANDED_PHASES
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Column, ColumnElement, Delete, Dialect, Insert, Select, Table, Update


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """SQL text for one kind of database; parameters by position."""

    runs: str  # ids
    runs_of_requests: str  # request ids
    runs_at: str  # spoke, external ids
    open_requests: str  # request ids
    states_of_requests: str  # request ids; returns each with its states and phases, and the number of runs
    measures: str  # run ids
    requests: str  # request ids
    revisions: str  # run ids; locks them for this transaction
    insert_run: str
    update_run: str  # all columns but the first, then the first
    delete_measures: str  # run ids
    insert_measure: str
    insert_replaced: str  # spoke, external id, run id
    insert_request: str
    open_window: str  # definition, start, end
    lock_uses: str  # definitions; returns their windows
    count_uses: str  # how many more, definition, start
    delete_windows: str  # definition, a start: windows that ended before then
    queue_lengths: str
    request_sizes: str  # request ids; returns each with the number of its runs
    ends_of_requests: str  # request ids; locks their runs, returns what `consumers.store.pruning` decides by
    open_runs: str  # run ids; returns those that have not ended
    delete_runs: str  # request ids
    delete_written: str  # run ids
    delete_requests: str  # request ids
    delete_orders: str  # run ids
    insert_timeline: str  # run id, number of entries, entries
    delete_timelines: str  # run ids
    delete_poll_claims: str  # run ids
    delete_replaced: str  # run ids
    lists_as_json: bool
    dialect: Dialect

    def id_list(self, ids: Iterable[str]) -> object:
        """Return a list of ids as the one parameter that the statements expect."""
        return orjson.dumps(list(ids)).decode() if self.lists_as_json else list(ids)


def statements_for(dialect: Dialect) -> Statements:
    """Return all statements for `sqlite` or `postgresql`."""

    def text(statement: Select[*tuple[object, ...]] | Insert | Update | Delete) -> str:
        return str(statement.compile(dialect=dialect))

    def among(column: Column[str]) -> ColumnElement[bool]:
        return is_one_of(column, dialect.name)

    return Statements(
        runs=text(select(runs).where(among(runs.c.run_id))),
        runs_of_requests=text(select(runs).where(among(runs.c.request_id))),
        runs_at=text(select(runs).where(runs.c.spoke == bindparam("spoke"), among(runs.c.external_id))),
        open_requests=text(_open_requests(among(runs.c.request_id))),
        states_of_requests=text(_states_of_requests(among(runs.c.request_id))),
        measures=text(_measures(among(run_measures.c.run_id))),
        requests=text(select(outbound_requests).where(among(outbound_requests.c.request_id))),
        revisions=text(_revisions(among(runs.c.run_id))),
        insert_run=text(insert(runs)),
        update_run=text(_update_run()),
        delete_measures=text(delete(run_measures).where(among(run_measures.c.run_id))),
        insert_measure=text(insert(run_measures)),
        insert_replaced=text(_insert_unless_there(replaced_tests, dialect.name)),
        insert_request=text(_insert_unless_there(outbound_requests, dialect.name)),
        open_window=text(_open_window(dialect.name)),
        lock_uses=text(_select_uses(among(definition_uses.c.definition)).with_for_update()),
        count_uses=text(_count_uses()),
        delete_windows=text(_forget_windows()),
        queue_lengths=text(_queue_lengths()),
        request_sizes=text(_request_sizes(among(runs.c.request_id))),
        ends_of_requests=text(_ends_of_requests(among(runs.c.request_id))),
        open_runs=text(select(runs.c.run_id).where(among(runs.c.run_id), ~_is_over())),
        delete_runs=text(delete(runs).where(among(runs.c.request_id))),
        delete_written=text(delete(written_runs).where(among(written_runs.c.run_id))),
        delete_requests=text(delete(outbound_requests).where(among(outbound_requests.c.request_id))),
        delete_orders=text(delete(orders).where(among(orders.c.run_id))),
        insert_timeline=text(_insert_timeline()),
        delete_timelines=text(delete(run_timeline).where(among(run_timeline.c.run_id))),
        delete_poll_claims=text(delete(poll_claims).where(among(poll_claims.c.run_id))),
        delete_replaced=text(delete(replaced_tests).where(among(replaced_tests.c.run_id))),
        lists_as_json=dialect.name == "sqlite",
        dialect=dialect,
    )


def _insert_timeline() -> Insert:
    given = (run_timeline.c.run_id, run_timeline.c.entry_count, run_timeline.c.entries)
    return insert(run_timeline).inline().values({column: bindparam(column.name) for column in given})


def is_one_of(column: Column[str], kind: str) -> ColumnElement[bool]:
    """Return the condition that a column has one of the ids in the one parameter that `id_list` makes."""
    if kind == "postgresql":
        return column == any_(bindparam("ids", type_=ARRAY(Text)))
    return column.in_(select(func.json_each(bindparam("ids", type_=Text)).table_valued("value").c.value))


def _measures(which: ColumnElement[bool]) -> Select[*tuple[object, ...]]:
    return select(run_measures).where(which).order_by(run_measures.c.run_id, run_measures.c.position)


def _open_requests(which: ColumnElement[bool]) -> Select[*tuple[object, ...]]:
    return select(runs.c.request_id).where(which, ~_is_over()).distinct()


def _states_of_requests(which: ColumnElement[bool]) -> Select[*tuple[object, ...]]:
    columns = (runs.c.request_id, runs.c.state, runs.c.phase)
    return select(*columns, func.count()).where(which).group_by(*columns)


def _is_over() -> ColumnElement[bool]:
    # `router.runs.request_result.is_over` in SQL. The words are part of the text, because parameters are by position.
    ends: list[ColumnElement[str]] = [literal_column(f"'{state}'") for state in sorted(TERMINAL)]
    ended = runs.c.state.is_not(None) & runs.c.state.in_(ends)
    return ended & (runs.c.phase != literal_column(f"'{Phase.FALLOUT}'"))


def ended_runs(before: object, limit: int, last: tuple[object, str] | None) -> Select[*tuple[object, ...]]:
    """Select runs that ended and were not updated since then, after the `last` seen; the oldest first."""
    chosen = select(runs.c.updated_at, runs.c.run_id, runs.c.request_id).where(_is_over(), runs.c.updated_at < before)
    if last is not None:
        at, run_id = last
        chosen = chosen.where((runs.c.updated_at > at) | ((runs.c.updated_at == at) & (runs.c.run_id > run_id)))
    return chosen.order_by(runs.c.updated_at, runs.c.run_id).limit(limit)


def _request_sizes(which: ColumnElement[bool]) -> Select[*tuple[object, ...]]:
    return select(runs.c.request_id, func.count()).where(which).group_by(runs.c.request_id)


def _ends_of_requests(which: ColumnElement[bool]) -> Select[*tuple[object, ...]]:
    # Locked in the order of `_revisions`.
    awaited = runs.c.check_at.is_not(None) | runs.c.waits_for.is_not(None)
    columns = select(
        runs.c.run_id, runs.c.request_id, runs.c.root_run_id, runs.c.updated_at, (_is_over() & ~awaited).label("ended")
    )
    return columns.where(which).order_by(runs.c.run_id).with_for_update()


def _revisions(which: ColumnElement[bool]) -> Select[*tuple[object, ...]]:
    # Locked in one order, so that two processes with common runs wait for each other instead of deadlocking.
    columns = select(runs.c.run_id, runs.c.revision, runs.c.measure_count)
    return columns.where(which).order_by(runs.c.run_id).with_for_update()


def silent_runs(
    spoke: str, since: object, at: object, limit: int, last: tuple[object, str] | None
) -> Select[*tuple[object, ...]]:
    """Select runs that a spoke has had without a report, after the `last` seen; moments as the database stores them.

    Runs that are claimed at `at` are left out. The last column is the number of answers without news.
    """
    same = poll_claims.c.revision == runs.c.revision
    answers = case((same, poll_claims.c.answers), else_=0)
    is_free = poll_claims.c.run_id.is_(None) | (poll_claims.c.revision < runs.c.revision) | (poll_claims.c.until <= at)
    out = runs.c.phase.in_([phase.value for phase in ACCEPTED_PHASES]) & runs.c.external_id.is_not(None)
    old = (runs.c.spoke == spoke) & (runs.c.updated_at < since)
    with_claims = runs.outerjoin(poll_claims, poll_claims.c.run_id == runs.c.run_id)
    chosen = select(runs, answers).select_from(with_claims).where(old, out, is_free)
    if last is not None:
        at, run_id = last
        chosen = chosen.where((runs.c.updated_at > at) | ((runs.c.updated_at == at) & (runs.c.run_id > run_id)))
    return chosen.order_by(runs.c.updated_at, runs.c.run_id).limit(limit)


def runs_of_cancel_task(spoke: str, task_id: str) -> Select[*tuple[object, ...]]:
    """Select the run that a task at a spoke cancels."""
    return select(runs).where(runs.c.spoke == spoke, runs.c.cancel_task == task_id).limit(1)


def pending_runs(since: object, limit: int) -> Select[*tuple[object, ...]]:
    """Select runs that were requested before then and never routed."""
    waiting = (runs.c.spoke == "") & (runs.c.phase == Phase.CREATED.value) & (runs.c.created_at < since)
    return select(runs).where(waiting).order_by(runs.c.created_at, runs.c.run_id).limit(limit)


def own_external_ids(spoke: str, kind: str) -> Sequence[Select[*tuple[object, ...]]]:
    """Select which of the ids that are passed as `ids` are those of tests that runs have, and had."""
    return [
        select(table.c.external_id).where(table.c.spoke == spoke, is_one_of(table.c.external_id, kind))
        for table in (runs, replaced_tests)
    ]


def run_of_replaced_test(spoke: str, external_id: str) -> Select[*tuple[object, ...]]:
    """Select the run that had a test with this id before a change replaced it."""
    test = (replaced_tests.c.spoke == spoke) & (replaced_tests.c.external_id == external_id)
    return select(runs).join(replaced_tests, replaced_tests.c.run_id == runs.c.run_id).where(test)


def runs_to_check(until: object, limit: int, last: tuple[object, str] | None) -> Select[*tuple[object, ...]]:
    """Select runs whose next check is due by then, after the `last` seen; the most overdue first."""
    chosen = select(runs).where(runs.c.check_at.is_not(None), runs.c.check_at <= until)
    if last is not None:
        at, run_id = last
        chosen = chosen.where((runs.c.check_at > at) | ((runs.c.check_at == at) & (runs.c.run_id > run_id)))
    return chosen.order_by(runs.c.check_at, runs.c.run_id).limit(limit)


def runs_after(run_id: str, limit: int) -> Select[*tuple[object, ...]]:
    """Select runs with a higher id, in the order of their ids."""
    return select(runs).where(runs.c.run_id > run_id).order_by(runs.c.run_id).limit(limit)


def unmoved_runs(
    since: object, limit: int, last: tuple[object, str] | None, spoke: str | None
) -> Select[*tuple[object, ...]]:
    """Select commanded runs that were not updated since then, after the `last` seen; longest unmoved first."""
    commanded = runs.c.phase.in_([phase.value for phase in COMMANDED_PHASES])
    chosen = select(runs).where(commanded, runs.c.updated_at < since)
    if spoke is not None:
        chosen = chosen.where(runs.c.spoke == spoke)
    if last is not None:
        at, run_id = last
        chosen = chosen.where((runs.c.updated_at > at) | ((runs.c.updated_at == at) & (runs.c.run_id > run_id)))
    return chosen.order_by(runs.c.updated_at, runs.c.run_id).limit(limit)


def first_in_queue(
    waits_for: Iterable[str], limit: int, last: tuple[object, str] | None
) -> Select[*tuple[object, ...]]:
    """Select the roots that wait for one of these, after the `last` seen; the oldest first."""
    chosen = select(runs).where(_is_queued(), runs.c.waits_for.in_([*waits_for]))
    if last is not None:
        at, run_id = last
        chosen = chosen.where((runs.c.created_at > at) | ((runs.c.created_at == at) & (runs.c.run_id > run_id)))
    return chosen.order_by(runs.c.created_at, runs.c.run_id).limit(limit)


def abandoned(since: object, limit: int) -> Select[*tuple[object, ...]]:
    """Select roots that have left the queue and are not marked as commanded."""
    gone = runs.c.phase.in_([phase.value for phase in Phase if phase is not Phase.WAITING])
    marked = runs.c.waits_for.is_not(None) & (runs.c.updated_at < since)
    return select(runs).where(gone, marked).order_by(runs.c.updated_at, runs.c.run_id).limit(limit)


def select_uses(definitions: Iterable[str]) -> Select[*tuple[object, ...]]:
    """Select how often definitions were used."""
    return _select_uses(definition_uses.c.definition.in_([*definitions]))


def _select_uses(which: ColumnElement[bool]) -> Select[*tuple[object, ...]]:
    return select(definition_uses).where(which).order_by(definition_uses.c.definition, definition_uses.c.since)


def _queue_lengths() -> Select[*tuple[object, ...]]:
    # Found by the partial index, which has only the queued rows.
    return select(runs.c.waits_for, func.count()).where(_is_queued()).group_by(runs.c.waits_for)


def _is_queued() -> ColumnElement[bool]:
    return runs.c.waits_for.is_not(None) & (runs.c.phase == literal_column(f"'{Phase.WAITING}'"))


def latest_runs(phase: Phase | None, spoke: str | None, limit: int) -> Select[*tuple[object, ...]]:
    """Select the runs that were updated last."""
    chosen = select(runs)
    if phase is not None:
        chosen = chosen.where(runs.c.phase == phase.value)
    if spoke is not None:
        chosen = chosen.where(runs.c.spoke == spoke)
    return chosen.order_by(runs.c.updated_at.desc(), runs.c.run_id.desc()).limit(limit)


def counts_by_phase(spoke: str | None) -> Select[str, int]:
    """Select the phases of runs, with the number of runs in each."""
    chosen = select(runs.c.phase, func.count()).group_by(runs.c.phase)
    return chosen.where(runs.c.spoke == spoke) if spoke is not None else chosen


def _update_run() -> Update:
    settable = {column.name: bindparam(f"new_{column.name}", type_=column.type) for column in runs.c}
    settable.pop("run_id")
    return update(runs).values(settable).where(runs.c.run_id == bindparam("which"))


def _insert_unless_there(table: Table, kind: str) -> Insert:
    if kind == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def _open_window(kind: str) -> Insert:
    given = {column.name: bindparam(column.name, type_=column.type) for column in definition_uses.c}
    row = {**given, "uses": literal_column("0")}
    if kind == "postgresql":
        return postgresql.insert(definition_uses).values(row).on_conflict_do_nothing()
    return sqlite.insert(definition_uses).values(row).on_conflict_do_nothing()


def _count_uses() -> Update:
    uses = definition_uses.c.uses
    return _at_window(update(definition_uses).values(uses=uses + bindparam("more", type_=uses.type)))


def _at_window(statement: Update) -> Update:
    columns = definition_uses.c
    return statement.where(
        columns.definition == bindparam("which", type_=columns.definition.type),
        columns.since == bindparam("start", type_=columns.since.type),
    )


def _forget_windows() -> Delete:
    columns = definition_uses.c
    return delete(definition_uses).where(
        columns.definition == bindparam("which", type_=columns.definition.type),
        columns.until < bindparam("start", type_=columns.until.type),
    )
