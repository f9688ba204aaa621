"""Compare the specifications in the store with what subscribers were notified of, and store the deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import and_, insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from consumers.store.subscriptions.sql_subscriptions import read_subscriptions
from consumers.store.subscriptions.tables import announced_specifications, deliveries
from consumers.store.tables import specifications
from router.northbound.hub.specification_changes import AnnouncedSpecification, SpecificationNotice
from schemas.published_tables import SpecificationRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

    from consumers.store.row_mapping import MomentFormat
    from router.northbound.hub.specification_changes import SpecificationPlan
    from router.northbound.hub.subscription import RunSubscription

    PlanSpecification = Callable[[SpecificationNotice, Sequence[RunSubscription]], SpecificationPlan]

_ANNOUNCE_LOCK = 8_701_655  # names our advisory lock on PostgreSQL; any number, but always the same
_RUN_ID = "specification {}"  # deliveries with the same run id are made in order


def has_unannounced(connection: Connection) -> bool:
    """Return whether a specification differs from what was announced of it."""
    return connection.execute(_unannounced(specifications.c.id).limit(1)).first() is not None


def announce_specifications(
    connection: Connection, plan: PlanSpecification, at: datetime, limit: int, moments: MomentFormat
) -> int:
    """Store the deliveries about such specifications, and what is announced by then; return their number."""
    # On SQLite the transaction holds the write lock already.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ANNOUNCE_LOCK})")
    known = read_subscriptions(connection, moments)
    columns = (
        specifications.c.id,
        specifications.c.revision,
        specifications.c.record,
        announced_specifications.c.revision.label("announced_revision"),
        announced_specifications.c.kept,
        announced_specifications.c.attributes,
    )
    rows = connection.execute(_unannounced(*columns).order_by(specifications.c.id).limit(limit)).all()
    for row in rows:
        notice = _notice(row)
        planned = plan(notice, known)
        _store(connection, notice.spec_id, planned.announced)
        created_at = moments.write(at)
        for delivery in planned.deliveries:
            values = {"run_id": _RUN_ID.format(notice.spec_id), "attempts": 0, "created_at": created_at}
            connection.execute(insert(deliveries).values(**delivery._asdict(), **values))
    return len(rows)


def _unannounced(*columns: ColumnElement[Any]) -> Any:  # noqa: ANN401 - a statement of these columns
    own, announced = specifications.c, announced_specifications.c
    joined = specifications.outerjoin(announced_specifications, announced.id == own.id)
    # A deletion keeps the revision of what was deleted.
    is_gone = and_(own.record.is_(None), announced.kept.is_not(None))
    is_behind = or_(announced.revision.is_(None), announced.revision < own.revision, is_gone)
    return select(*columns).select_from(joined).where(is_behind)


def _notice(row: Row[Any]) -> SpecificationNotice:
    announced = None
    if row.announced_revision is not None:
        kept = None if row.kept is None else orjson.loads(row.kept)
        announced = AnnouncedSpecification(
            revision=row.announced_revision, kept=kept, attributes=orjson.loads(row.attributes)
        )
    record = None if row.record is None else SpecificationRecord.model_validate_json(row.record)
    return SpecificationNotice(row.id, row.revision, record, announced)


def _store(connection: Connection, spec_id: str, announced: AnnouncedSpecification) -> None:
    values = {
        "revision": announced.revision,
        "kept": None if announced.kept is None else orjson.dumps(announced.kept).decode(),
        "attributes": orjson.dumps(announced.attributes).decode(),
    }
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(announced_specifications).values(id=spec_id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
