"""What is missing of a run that is at its system, and when the system is asked next."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "r0007"
down_revision = "r0006"

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")
WATCHED = sa.text("check_at IS NOT NULL")
RUNS = sa.table(
    "runs",
    sa.column("phase", sa.Text),
    sa.column("external_id", sa.Text),
    sa.column("watch", sa.Text),
    sa.column("check_at", MOMENT),
)
WATCH_RUNS_WITHOUT_ID = (
    sa.update(RUNS)
    .where(RUNS.c.phase.in_(["accepted", "inProgress"]), RUNS.c.external_id.is_(None))
    .values(watch=sa.bindparam("watch"), check_at=sa.bindparam("check_at"))
)


def upgrade() -> None:
    """Add two columns and an index; a run that was left without an external id is checked from now on."""
    op.add_column("runs", sa.Column("watch", sa.Text))
    op.add_column("runs", sa.Column("check_at", MOMENT))
    op.get_bind().execute(WATCH_RUNS_WITHOUT_ID, {"watch": _watch(), "check_at": _now()})
    op.create_index("runs_to_check", "runs", ["check_at", "run_id"], sqlite_where=WATCHED, postgresql_where=WATCHED)


def _watch() -> str:
    now = datetime.now(UTC).isoformat()
    return json.dumps({"missing": "externalId", "since": now, "due": now, "answers": 0})


def _now() -> object:
    now = datetime.now(UTC)
    return now if op.get_bind().dialect.name == "postgresql" else now.isoformat(timespec="microseconds")
