"""Builders of tables to publish: a test writes only what matters to it."""

from __future__ import annotations

from datetime import timedelta

from consumers.table_topic.publish_plan import Authorship, TableSubmission
from schemas.published_tables import TableKind
from tests.builders.runs import NOON


def a_table_text(note: str = "one", table: str = "a-table") -> str:
    """Return the text of a table. Another note makes another version."""
    return f"""table: {table}
note: "{note}"
inputs: [{{name: spec, path: test_specification.id, type: string}}]
outputs: [{{name: queue, type: string}}]
rows: [{{id: R1, when: {{spec: fibre-line}}, then: {{queue: fast}}}}]
"""


def an_authored_table(text: str, table: str = "a-table", kind: TableKind = TableKind.TABLE) -> TableSubmission:
    """Return a submission of a table."""
    return TableSubmission(table=table, kind=kind, text=text)


def a_signature(author: str = "ann", comment: str = "", minutes: int = 0) -> Authorship:
    """Return an authorship some minutes after noon."""
    return Authorship(author=author, comment=comment, at=NOON + timedelta(minutes=minutes))
