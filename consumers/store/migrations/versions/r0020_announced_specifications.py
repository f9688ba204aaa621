"""What subscribers were notified of about each test specification."""

import json

import sqlalchemy as sa
from alembic import op

revision = "r0020"
down_revision = "r0018"

SPECIFICATIONS = sa.table(
    "specifications", sa.column("id", sa.Text), sa.column("revision", sa.BigInteger), sa.column("record", sa.Text)
)
KEPT = ("name", "lifecycleStatus", "@type")
PAGE = 500


def upgrade() -> None:
    """Add a table; a specification that is known already is not announced as a new one."""
    announced = op.create_table(
        "announced_specifications",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("kept", sa.Text),
        sa.Column("attributes", sa.Text, nullable=False),
    )
    connection, last = op.get_bind(), ""
    while True:
        wanted = sa.select(SPECIFICATIONS).where(SPECIFICATIONS.c.id > last).order_by(SPECIFICATIONS.c.id).limit(PAGE)
        page = connection.execute(wanted).all()
        if not page:
            return
        connection.execute(
            sa.insert(announced),
            [
                {"id": spec_id, "revision": known, "kept": _kept(spec_id, record), "attributes": "{}"}
                for spec_id, known, record in page
            ],
        )
        last = page[-1][0]


def _kept(spec_id: str, record: str | None) -> str | None:
    if record is None:
        return None
    document = json.loads(record)["document"]
    return json.dumps({"id": spec_id, **{name: document[name] for name in KEPT if name in document}})
