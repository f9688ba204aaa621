"""When a run that is at its system is late, and when it times out."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "r0016"
down_revision = "r0015"

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")
RUNS = sa.table(
    "runs",
    sa.column("phase", sa.Text),
    sa.column("deadline", sa.Text),
    sa.column("check_at", MOMENT),
)
# Without a time yet, because the profile of its system has it: the first check, which is due now, sets it.
GIVE_DEADLINE = (
    sa.update(RUNS)
    .where(RUNS.c.phase.in_(["accepted", "inProgress"]))
    .values(deadline=sa.bindparam("deadline"), check_at=sa.bindparam("check_at"))
)


def upgrade() -> None:
    """Add a column; the time of a run that is at its system begins now."""
    op.add_column("runs", sa.Column("deadline", sa.Text))
    now = datetime.now(UTC)
    deadline = json.dumps([now.isoformat(), None, None, None, False])
    check_at = now if op.get_bind().dialect.name == "postgresql" else now.isoformat(timespec="microseconds")
    op.get_bind().execute(GIVE_DEADLINE, {"deadline": deadline, "check_at": check_at})
