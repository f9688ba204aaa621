"""The records of `testrun.tables` (versions of a table, its draft, which one is live) and `testrun.specifications`."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from schemas.base import Model, Whole

DRAFT = "draft"
MAX_CHANGES = 200  # In a pointer; with the longest comments they stay far below Kafka's limit for one message.
MAX_COMMENT_LENGTH = 500
TableId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
VersionName = Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
Author = Annotated[str, Field(max_length=200)]
Comment = Annotated[str, Field(max_length=MAX_COMMENT_LENGTH)]


class TableKind(StrEnum):
    """What a table decides."""

    POLICY = "policy"
    SELECTOR = "selector"
    TABLE = "table"


class LiveAction(StrEnum):
    """How a version became the live one."""

    PUBLISH = "publish"
    ROLLBACK = "rollback"


class TableRecord(Model):
    """A record of the tables topic. A later Southbound may add fields: they are ignored."""

    # The text must be returned unchanged, because its hash is the name of the version.
    model_config = ConfigDict(extra="ignore", str_strip_whitespace=False)


class TableText(TableRecord):
    """The exact text of a table, with its author."""

    table: TableId
    kind: TableKind
    version: VersionName
    sha256: str
    text: str
    author: Author
    comment: Comment = ""

    @model_validator(mode="after")
    def _check_sha256(self) -> Self:
        found = sha256_of(self.text)
        if found != self.sha256 or not found.startswith(self.version):
            raise ValueError(f"the text has the SHA-256 {found}, so it was changed after it was written")
        return self


class TableVersion(TableText):
    """One version: written once, under the key `<table>@<version>`."""

    published_at: AwareDatetime

    @property
    def key(self) -> str:
        """The key of its record."""
        return version_key(self.table, self.version)


class TableDraft(TableText):
    """A draft, under the key `<table>@draft`; publishing it deletes it."""

    saved_at: AwareDatetime

    @property
    def key(self) -> str:
        """The key of its record."""
        return draft_key(self.table)


class LiveChange(TableRecord):
    """A version became live."""

    version: VersionName
    previous: VersionName | None = None
    action: LiveAction = LiveAction.PUBLISH
    author: Author
    comment: Comment = ""
    at: AwareDatetime


class LivePointer(LiveChange):
    """Which version is live, under the key `<table>`.

    Compaction keeps only the last record of a key, so the pointer itself has the changes before it, newest first.
    `revision` counts all changes.
    """

    table: TableId
    kind: TableKind
    revision: Whole
    earlier: tuple[LiveChange, ...] = ()

    @property
    def key(self) -> str:
        """The key of its record."""
        return self.table

    @property
    def changes(self) -> tuple[LiveChange, ...]:
        """Every change that is kept, newest first."""
        return (LiveChange.model_validate(self.model_dump(include=set(LiveChange.model_fields))), *self.earlier)


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


def sha256_of(text: str) -> str:
    """Return the hash of the exact content of a table."""
    return hashlib.sha256(text.encode()).hexdigest()


def version_key(table: str, version: str) -> str:
    """Return the key of a version's record."""
    return f"{table}@{version}"


def draft_key(table: str) -> str:
    """Return the key of a draft's record."""
    return f"{table}@{DRAFT}"
