"""A store belongs to one gateway, known by its topics."""

import json

import sqlalchemy as sa
from alembic import op

revision = "r0010"
down_revision = "r0009"

GATEWAYS = sa.table("store_gateways", sa.column("prefix", sa.Text), sa.column("recorded", sa.Text))
IDENTITY = sa.table(
    "store_identity",
    sa.column("bound_to", sa.Text),
    sa.column("unmarked", sa.Boolean),
    sa.column("recorded", sa.Text),
)


def upgrade() -> None:
    """Keep the gateway and its recorded offsets; if several gateways used the store, the next one to start gets it."""
    op.add_column("store_identity", sa.Column("bound_to", sa.Text))
    op.add_column("store_identity", sa.Column("recorded", sa.Text))
    rows = op.get_bind().execute(sa.select(GATEWAYS.c.prefix, GATEWAYS.c.recorded)).all()
    prefixes = {row.prefix for row in rows}
    if len(prefixes) == 1:
        recorded = next((_topic_ends(row.recorded) for row in rows if row.recorded != "{}"), None)
        op.get_bind().execute(sa.update(IDENTITY).values(bound_to=prefixes.pop(), recorded=recorded))
    elif prefixes:
        op.get_bind().execute(sa.update(IDENTITY).values(unmarked=True))
    op.drop_table("store_gateways")


def _topic_ends(recorded: str) -> str:
    [(topic, ends)] = json.loads(recorded).items()
    return json.dumps({"topic": topic, "topic_id": "", "ends": ends})
