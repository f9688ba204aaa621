"""Find a table by its name: a file, or a published table with a version."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from consumers.table_topic.publish_plan import Authorship
from consumers.table_topic.published_tables import UnreadableRecord
from router.selection.load import load_as, table_kind, table_of
from router.selection.outbound_policy import OutboundPolicy
from router.selection.spoke_selector import SpokeSelector
from router.tables.diagnostics import TableErrors
from schemas.published_tables import DRAFT, MAX_COMMENT_LENGTH, LivePointer, TableKind, TableVersion
from southbound.exit_codes import invalid_input
from southbound.operations.kafka import query_compacted_topic
from southbound.operations.tables.formats import SUFFIXES, load_file, yaml_text
from southbound.service.table_sources import table_topic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from consumers.table_topic.kafka_table_topic import KafkaTableTopic
    from consumers.table_topic.published_tables import PublishedTables
    from router.selection.load import LoadedTable
    from schemas.published_tables import TableText
    from southbound.settings.settings import RoutingSettings, Settings


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTable:
    """A table with the name that the operator used, and the comment of its author."""

    name: str
    kind: TableKind
    text: str
    loaded: LoadedTable
    comment: str = ""

    @property
    def table(self) -> str:
        """The id of the table."""
        return table_of(self.loaded).id


def query_topic(settings: Settings, query: Callable[[KafkaTableTopic], Awaitable[T]]) -> T:
    """Run `query` on the topic of published tables.

    Raises:
        CommandFailedError: Kafka does not answer.
    """
    return query_compacted_topic(settings, table_topic(settings.kafka), query)


def read_published(settings: Settings) -> PublishedTables:
    """Read all published tables.

    Raises:
        CommandFailedError: Kafka does not answer.
    """
    return query_topic(settings, lambda topic: topic.read())


def make_authorship(author: str | None, comment: str) -> Authorship:
    """Return author, comment and the current time; without `author` it is the user of this system.

    Raises:
        CommandFailedError: the comment is too long, or the user has no name.
    """
    if len(comment) > MAX_COMMENT_LENGTH:
        raise invalid_input(
            [f"--comment has {len(comment)} characters and the limit is {MAX_COMMENT_LENGTH}: shorten it"]
        )
    try:
        name = author or getpass.getuser()
    except (KeyError, OSError):
        raise invalid_input(["--author NAME is needed: this system has no name for its user"]) from None
    return Authorship(author=name[:200], comment=comment, at=datetime.now(UTC))


def is_file(name: str) -> bool:
    """Return whether a name is the name of a file: the file exists, or the name is written like a path."""
    return Path(name).is_file() or "/" in name or Path(name).suffix in SUFFIXES


def load_named_file(file: str, routing: RoutingSettings, spokes: Sequence[str] | None) -> NamedTable:
    """Load a file as the kind of table for which workers use its id.

    Raises:
        CommandFailedError: with every mistake of the file.
    """
    try:
        loaded = load_file(file, spokes)
        text, kind = yaml_text(file, loaded), table_kind(loaded)
        required_kinds = {routing.policy_id: TableKind.POLICY, routing.selector_id: TableKind.SELECTOR}
        required_kind = required_kinds.get(table_of(loaded).id, kind)
        if required_kind is not kind:
            loaded = load_as(required_kind, text, file, spokes)
    except TableErrors as error:
        raise invalid_input(error.sentences) from None
    return NamedTable(name=file, kind=required_kind, text=text, loaded=loaded)


def load_named_version(published: PublishedTables, name: str, spokes: Sequence[str] | None = None) -> NamedTable:
    """Load `ID` (the live version), `ID@VERSION` or `ID@draft`.

    Raises:
        CommandFailedError: it does not exist, or does not load.
    """
    table, _, version = name.partition("@")
    record = find_draft(published, table) if version == DRAFT else find_version(published, table, version)
    try:
        loaded = load_as(record.kind, record.text, f"{table}@{version or record.version}", spokes)
    except TableErrors as error:
        raise invalid_input(error.sentences) from None
    return NamedTable(name=name, kind=record.kind, text=record.text, loaded=loaded, comment=record.comment)


def find_draft(published: PublishedTables, table: str) -> TableText:
    """Return the draft of a table.

    Raises:
        CommandFailedError: there is no draft, or it cannot be read.
    """
    _check_table_exists(published, table)
    advice = "save one with `southbound tables publish FILE --draft`"
    return _require(published.draft(table), f"{table} has no draft", advice)


def find_version(published: PublishedTables, table: str, version: str = "") -> TableVersion:
    """Return a version of a table, the live one if `version` is empty.

    Raises:
        CommandFailedError: there is no such version, or it cannot be read.
    """
    name = version or find_live(published, table).version
    _check_table_exists(published, table)
    advice = f"see `southbound tables history {table}`"
    return _require(published.version(table, name), f"{table} has no version {name}", advice)


def find_live(published: PublishedTables, table: str) -> LivePointer:
    """Return which version of a table is live.

    Raises:
        CommandFailedError: none is live, or its record cannot be read.
    """
    _check_table_exists(published, table)
    advice = "publish one with `southbound tables publish FILE`"
    return _require(published.live(table), f"no version of {table} is live", advice)


def _require(record: T | UnreadableRecord | None, absent: str, advice: str) -> T:
    if record is None or isinstance(record, UnreadableRecord):
        raise invalid_input([f"{record.sentence if record else absent}: {advice}"])
    return record


def _check_table_exists(published: PublishedTables, table: str) -> None:
    if table in published.tables:
        return
    if Path(table).is_file():
        raise invalid_input([f"{table} is a file: name a published table, see `southbound tables list`"])
    matches = get_close_matches(table, published.tables, 1)
    remedy = f"did you mean {matches[0]}?" if matches else "see `southbound tables list`"
    raise invalid_input([f"there is neither a file nor a published table {table}: {remedy}"])


LIVE = "live"


def load_untested(file: str) -> LoadedTable:
    """Load a table file of any format without running its saved tests.

    Raises:
        CommandFailedError: with everything that is wrong with it.
    """
    try:
        return load_file(file, tested=False)
    except TableErrors as error:
        raise invalid_input(error.sentences) from None


def load_named(settings: Settings, name: str) -> LoadedTable:
    """Load a file, or a published table: `ID` (the live version), `ID@VERSION` or `ID@draft`.

    Raises:
        CommandFailedError: with everything that is wrong with it, or it does not exist.
    """
    return load_untested(name) if is_file(name) else load_named_version(read_published(settings), name).loaded


def load_reference(settings: Settings, draft: LoadedTable, against: str) -> LoadedTable:
    """Load the table that a draft is compared with: a named one, or for `live` the one that the gateway uses.

    Raises:
        CommandFailedError: it cannot be loaded, or the draft is of a kind that the gateway does not use.
    """
    if against != LIVE:
        return load_named(settings, against)
    routing, table_id = settings.routing, table_of(draft).id
    if routing.tables == "topic":
        return load_named_version(read_published(settings), table_id).loaded
    match draft:
        case OutboundPolicy():
            return load_untested(str(routing.policy))
        case SpokeSelector():
            return load_untested(str(routing.selector))
        case _:
            reason = (
                f"{table_id} is neither an outbound policy nor a selector, so there is no live table to compare it with"
            )
            raise invalid_input([f"{reason}: name the table to compare it with, --against TABLE"])


def kind_name(loaded: LoadedTable) -> str:
    """Return the kind of a table in words."""
    return _KINDS[table_kind(loaded)]


_KINDS = {
    TableKind.POLICY: "an outbound policy",
    TableKind.SELECTOR: "a spoke selector",
    TableKind.TABLE: "a decision table",
}
