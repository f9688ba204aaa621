"""What a run has processed: external reports in one column, lifecycle events and commands in another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

if TYPE_CHECKING:
    from collections.abc import Iterator

revision = "r0003"
down_revision = "r0002"

JSON_WRITTEN = sa.Text().with_variant(JSON(), "postgresql")
PAGE = 1_000  # rows that are read and written together
LED_TO = " led to "
OF_A_REPORT = ("progress", "stale")  # the updates that an external report can lead to
RUNS = sa.table(
    "runs",
    sa.column("run_id", sa.Text),
    sa.column("processed_reports", JSON_WRITTEN),
    sa.column("processed_events", JSON_WRITTEN),
)


def upgrade() -> None:
    """Rename the column `heard`, add the other, and move each entry to where it belongs.

    A process of the version before knows only `heard`: stop them all before the first of this version starts.
    """
    op.execute("ALTER TABLE runs RENAME COLUMN heard TO processed_reports")  # in SQLite, Alembic would copy the table
    op.add_column("runs", sa.Column("processed_events", JSON_WRITTEN, nullable=False, server_default="[]"))
    write = (
        sa.update(RUNS)
        .where(RUNS.c.run_id == sa.bindparam("run"))
        .values(processed_reports=_json("reports"), processed_events=_json("events"))
    )
    for page in _pages():
        rows = [(run_id, *_split(json.loads(heard))) for run_id, heard in page]
        moved = [{"run": run, "reports": json.dumps(old), "events": json.dumps(new)} for run, old, new in rows if new]
        if moved:
            op.get_bind().execute(write, moved)


def _json(name: str) -> sa.Cast[object]:
    return sa.cast(sa.bindparam(name, type_=sa.Text), JSON_WRITTEN)


def _pages() -> Iterator[list[tuple[str, str]]]:
    """Read the id and the old entries of each run, in the order of the ids."""
    last = ""
    while True:
        query = sa.select(RUNS.c.run_id, sa.cast(RUNS.c.processed_reports, sa.Text)).where(RUNS.c.run_id > last)
        page = [(row[0], row[1]) for row in op.get_bind().execute(query.order_by(RUNS.c.run_id).limit(PAGE))]
        if not page:
            return
        yield page
        last = page[-1][0]


def _split(heard: list[str]) -> tuple[list[str], list[str]]:
    """Return the entries of reports, and those of lifecycle events and commands."""
    ids = {entry for entry in heard if LED_TO not in entry}
    reports = [entry for entry in heard if entry in ids or _is_of_a_report(entry, ids)]
    return reports, [entry for entry in heard if entry not in reports]


def _is_of_a_report(entry: str, ids: set[str]) -> bool:
    cause, _, word = entry.rpartition(LED_TO)
    return cause in ids and word in OF_A_REPORT
