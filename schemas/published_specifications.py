"""The records of `testrun.specifications`: one test specification each, under its id."""

from __future__ import annotations

from pydantic import AwareDatetime, ConfigDict, Field

from schemas.base import Model, Whole
from schemas.published_tables import Author, Comment


class SpecificationRecord(Model):
    """A test specification as it was written, with its author. A later Southbound may add fields: they are ignored.

    `revision` grows with every change, also over a deletion: it is at least the time of the change in milliseconds.
    """

    # The document is returned as it was written.
    model_config = ConfigDict(extra="ignore", str_strip_whitespace=False)

    id: str = Field(min_length=1)
    revision: Whole
    author: Author
    comment: Comment = ""
    changed_at: AwareDatetime
    document: dict[str, object]
