"""The SQL of orders, written once per kind of database; see `consumers.store.statements`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import (
    Text,
    and_,
    bindparam,
    case,
    collate,
    delete,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from consumers.store.orders.port import MAX_SEARCHED_RUNS
from consumers.store.statements import is_one_of
from consumers.store.tables import orders, runs
from router.northbound.lists.pushdown import DOCUMENT_PATHS
from router.northbound.lists.sort import CREATED, UPDATED
from router.northbound.order import OrderEventKind
from schemas.vocabulary import Phase, RunState

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, Delete, Dialect, Insert, Select, Subquery, Update

    from consumers.store.orders.port import RefusedOrders
    from router.northbound.lists.pushdown import FieldIsOneOf, Pushdown
    from router.northbound.lists.sort import SortKey


# A change that overtakes a refusal must not delete it.
_OF_REFUSAL = frozenset({"refusal", "refused_event_id", "refused_at"})
WRITTEN_BY_CLIENTS = tuple([column.name for column in orders.c if column.name not in _OF_REFUSAL])


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStatements:
    """SQL text for one kind of database; parameters by position."""

    insert: str  # an order; does nothing if its run id, key or external id is taken
    update: str  # all columns of `insert` but the first, then the run id and the revision before
    revisions: str  # run ids
    by_run: str  # run ids
    by_root: str  # root run ids
    by_key: str  # client, key
    by_external_id: str  # client, external id
    delete: str  # run ids
    delete_family: str  # root run ids
    mark_published: str  # run id, event id
    mark_routed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What a list is read by. `last` is the creation, as the database stores it, and id of the run before."""

    tenant: str | None
    pushdown: Pushdown
    last: tuple[object, str] | None = None
    depth: int | None = None
    sort: tuple[SortKey, ...] = ()


def order_statements(dialect: Dialect) -> OrderStatements:
    """Return all statements for `sqlite` or `postgresql`."""

    def text(
        statement: Select[*tuple[object, ...]] | Insert | Update | Delete, columns: Sequence[str] | None = None
    ) -> str:
        return str(statement.compile(dialect=dialect, column_keys=columns))

    by_run = is_one_of(orders.c.run_id, dialect.name)
    by_root = is_one_of(orders.c.root_run_id, dialect.name)
    client = orders.c.client == bindparam("client", type_=Text)
    return OrderStatements(
        insert=text(_insert(dialect.name), WRITTEN_BY_CLIENTS),
        update=text(_update()),
        revisions=text(select(orders.c.run_id, orders.c.event_id, orders.c.revision).where(by_run)),
        by_run=text(select(orders).where(by_run)),
        by_root=text(select(orders).where(by_root)),
        by_key=text(select(orders).where(client, orders.c.idempotency_key == bindparam("key", type_=Text))),
        by_external_id=text(select(orders).where(client, orders.c.external_id == bindparam("key", type_=Text))),
        delete=text(delete(orders).where(by_run)),
        delete_family=text(delete(orders).where(by_root)),
        mark_published=text(_mark_published()),
        mark_routed=text(_mark_routed()),
    )


def _insert(kind: str) -> Insert:
    if kind == "postgresql":
        return postgresql.insert(orders).on_conflict_do_nothing()
    return sqlite.insert(orders).on_conflict_do_nothing()


def _update() -> Update:
    settable = {name: bindparam(f"new_{name}", type_=orders.c[name].type) for name in WRITTEN_BY_CLIENTS[1:]}
    before = orders.c.revision == bindparam("before", type_=orders.c.revision.type)
    return update(orders).values(settable).where(orders.c.run_id == bindparam("which", type_=Text), before)


def _mark_published() -> Update:
    which = (orders.c.run_id == bindparam("which", type_=Text), orders.c.event_id == bindparam("event", type_=Text))
    return update(orders).values(unpublished_since=literal_column("NULL")).where(*which)


def _mark_routed() -> Update:
    return update(orders).values(unrouted_since=literal_column("NULL")).where(_is_unrouted(), _has_row())


def _is_unrouted() -> ColumnElement[bool]:
    return orders.c.unrouted_since.is_not(None)


def unpublished_orders(before: object, limit: int) -> Select[*tuple[object, ...]]:
    """Select orders whose event is perhaps not published; the moment as the database stores it."""
    waiting = (orders.c.unpublished_since.is_not(None), orders.c.unpublished_since < before)
    return select(orders).where(*waiting).order_by(orders.c.unpublished_since, orders.c.run_id).limit(limit)


def expired_orders(before: object) -> Delete:
    """Delete orders of before then that are published and whose run never got a row."""
    return delete(orders).where(
        _is_unrouted(),
        orders.c.unrouted_since < before,
        orders.c.unpublished_since.is_(None),
        ~_has_row(),
    )


def refused_orders(refused: RefusedOrders, written: str, at: object) -> Update:
    """Store a refusal; `written` are its reasons, and `at` its time, as the database has them."""
    is_own, is_first = orders.c.event_id == refused.event_id, orders.c.refusal.is_(None)
    if refused.is_request:
        # What a client ordered afterwards has another event.
        followed = orders.c.event_kind.in_([OrderEventKind.CHANGED.value, OrderEventKind.CANCELLED.value])
        applies = and_(or_(is_own, followed), ~_has_row())
    else:
        applies = and_(is_own, or_(_has_row(), is_first))
    is_new = or_(is_first, orders.c.refusal != written, orders.c.refused_event_id != refused.event_id)
    moment: Any = at
    chosen = update(orders).where(orders.c.run_id.in_(refused.run_ids), applies, is_new)
    return chosen.values(refusal=written, refused_event_id=refused.event_id, refused_at=moment)


def withdrawn_orders(run_ids: Collection[str]) -> Delete:
    """Delete refused orders whose run has no row."""
    return delete(orders).where(orders.c.run_id.in_([*run_ids]), orders.c.refusal.is_not(None), ~_has_row())


def _has_row() -> ColumnElement[bool]:
    return exists(select(literal_column("1")).where(runs.c.run_id == orders.c.run_id))


def cancelled_orders(tenant: str | None, run_ids: Collection[str] | None, limit: int) -> Select[*tuple[object, ...]]:
    """Select the ids of runs whose cancellation was ordered, newest first."""
    chosen = select(orders.c.run_id).where(orders.c.cancelled_at.is_not(None), orders.c.deleted_at.is_(None))
    if tenant is not None:
        chosen = chosen.where(orders.c.tenant == tenant)
    if run_ids is not None:
        chosen = chosen.where(orders.c.run_id.in_([*run_ids]))
    return chosen.order_by(orders.c.cancelled_at.desc(), orders.c.run_id).limit(limit)


def listed_runs(query: ListQuery, kind: str) -> Subquery:
    """Select id and creation of the runs that pass, and of orders without a run; `depth` of each, newest first."""
    of_runs: Select[*tuple[object, ...]] = _searched_runs(query, kind)
    of_orders: Select[*tuple[object, ...]] = select(orders.c.run_id, orders.c.created_at).where(
        *_order_conditions(query, kind)
    )
    if query.depth is not None:
        of_runs, of_orders = _newest(of_runs, query.depth), _newest(of_orders, query.depth)
    return union_all(of_runs, of_orders).subquery()


def _newest(chosen: Select[*tuple[object, ...]], depth: int) -> Select[*tuple[object, ...]]:
    run_id, created_at = chosen.selected_columns
    inner = chosen.order_by(created_at.desc(), run_id.desc()).limit(depth).subquery()
    return select(inner.c.run_id, inner.c.created_at)


def _older_than(
    run_id: ColumnElement[str], created_at: ColumnElement[str], last: tuple[object, str] | None
) -> list[ColumnElement[bool]]:
    if last is None:
        return []
    at, last_id = last
    return [or_(created_at < at, and_(created_at == at, run_id < last_id))]


def _searched_runs(query: ListQuery, kind: str) -> Select[*tuple[object, ...]]:
    pushdown = query.pushdown
    if pushdown.states is None and not pushdown.fields and not query.sort:
        return select(runs.c.run_id, runs.c.created_at).where(*_run_conditions(query))
    columns = (runs.c.run_id, runs.c.created_at, runs.c.state, runs.c.phase, runs.c.requested, runs.c.updated_at)
    searched = _newest_of(columns, _run_conditions(query))
    shown = _shown_state(searched)
    fields = [_field_is_one_of(searched.c.requested, field, kind) for field in pushdown.fields]
    states = [] if pushdown.states is None else [shown.in_(pushdown.states)]
    keys = _sort_columns(query, _Sortable(searched.c.requested, shown, searched.c.updated_at, searched), kind)
    return select(searched.c.run_id, searched.c.created_at, *keys).where(*states, *fields)


def _newest_of(columns: Sequence[ColumnElement[Any]], conditions: Sequence[ColumnElement[bool]]) -> Subquery:
    run_id, created_at, *_ = columns
    newest = select(*columns).where(*conditions).order_by(created_at.desc(), run_id.desc())
    return newest.limit(MAX_SEARCHED_RUNS).subquery()


class _Sortable(NamedTuple):
    """What runs, or orders without a run, are sorted by; `part` has the columns `run_id` and `created_at`."""

    document: ColumnElement[Any]
    state: ColumnElement[str]
    updated_at: ColumnElement[Any]
    part: Subquery


def _sort_columns(query: ListQuery, by: _Sortable, kind: str) -> list[ColumnElement[Any]]:
    """Return a column for each key; texts are compared by their bytes, whatever the language of the database."""
    columns = [_sort_column(key.name, by, kind) for key in query.sort]
    return [column.label(f"key{number}") for number, column in enumerate(columns)]


def _sort_column(name: str, by: _Sortable, kind: str) -> ColumnElement[Any]:
    if name == CREATED:
        return by.part.c.created_at
    if name == UPDATED:
        return by.updated_at
    named = {"id": by.part.c.run_id, "state": by.state}
    text = named[name] if name in named else func.coalesce(_text_at(by.document, DOCUMENT_PATHS[name], kind), "")
    return collate(text, "C") if kind == "postgresql" else text


def _sorted_page(query: ListQuery, kind: str) -> Select[*tuple[object, ...]]:
    columns = (
        orders.c.run_id,
        orders.c.created_at,
        orders.c.document,
        _order_state().label("state"),
        orders.c.changed_at,
    )
    unrouted = _newest_of(columns, _order_conditions(query, kind))
    by = _Sortable(unrouted.c.document, unrouted.c.state, unrouted.c.changed_at, unrouted)
    of_orders = select(unrouted.c.run_id, unrouted.c.created_at, *_sort_columns(query, by, kind))
    listed = union_all(_searched_runs(query, kind), of_orders).subquery()
    keys = [listed.c[f"key{number}"] for number in range(len(query.sort))]
    order = [column.desc() if key.is_descending else column for column, key in zip(keys, query.sort, strict=True)]
    return select(listed.c.run_id).order_by(*order, listed.c.created_at.desc(), listed.c.run_id.desc())


def _run_conditions(query: ListQuery) -> list[ColumnElement[bool]]:
    deleted: Select[*tuple[object, ...]] = select(literal_column("1")).where(
        orders.c.run_id == runs.c.run_id, orders.c.deleted_at.is_not(None)
    )
    conditions = [~exists(deleted), *_older_than(runs.c.run_id, runs.c.created_at, query.last)]
    if query.tenant is not None:
        conditions.append(runs.c.tenant == query.tenant)
    if query.pushdown.run_ids is not None:
        conditions.append(runs.c.run_id.in_(query.pushdown.run_ids))
    return conditions


def _order_conditions(query: ListQuery, kind: str) -> list[ColumnElement[bool]]:
    tenant, pushdown = query.tenant, query.pushdown
    conditions = [
        _is_unrouted(),
        orders.c.deleted_at.is_(None),
        ~_has_row(),
        *_older_than(orders.c.run_id, orders.c.created_at, query.last),
    ]
    if tenant is not None:
        conditions.append(orders.c.tenant == tenant)
    if pushdown.run_ids is not None:
        conditions.append(orders.c.run_id.in_(pushdown.run_ids))
    if pushdown.states is not None:
        conditions.append(_order_state().in_(pushdown.states))
    conditions += [_field_is_one_of(orders.c.document, field, kind) for field in pushdown.fields]
    return conditions


def _order_state() -> ColumnElement[str]:
    """Return the state of an order without a run, as `RunView.state` has it."""
    return case(
        (orders.c.cancelled_at.is_not(None), literal(RunState.CANCELLED.value)),
        (orders.c.refusal.is_not(None), literal(RunState.REJECTED.value)),
        else_=literal(RunState.ACKNOWLEDGED.value),
    )


def _shown_state(searched: Subquery) -> ColumnElement[str]:
    """Return `router.northbound.order.RunView.state` in SQL."""
    return case(
        (searched.c.state != RunState.UNKNOWN.value, searched.c.state),
        (searched.c.phase.in_([Phase.WAITING.value, Phase.FALLOUT.value]), literal(RunState.PENDING.value)),
        else_=literal(RunState.ACKNOWLEDGED.value),
    )


def _field_is_one_of(document: ColumnElement[object], field: FieldIsOneOf, kind: str) -> ColumnElement[bool]:
    return _text_at(document, field.path, kind).in_(field.values)


def _text_at(document: ColumnElement[object], path: Sequence[str], kind: str) -> ColumnElement[Any]:
    if kind == "postgresql":
        return func.json_extract_path_text(document, *path)
    return func.json_extract(document, "$." + ".".join(path))


def page_of(query: ListQuery, kind: str, offset: int, limit: int) -> Select[*tuple[object, ...]]:
    """Select the ids of a page, newest first unless it is sorted."""
    if query.sort:
        return _sorted_page(query, kind).offset(offset).limit(limit)
    listed = listed_runs(query, kind)
    chosen = select(listed.c.run_id).order_by(listed.c.created_at.desc(), listed.c.run_id.desc())
    return chosen.offset(offset).limit(limit)


def count_of(query: ListQuery, kind: str) -> Select[*tuple[object, ...]]:
    """Count the runs of all pages."""
    return select(func.count()).select_from(listed_runs(query, kind))
