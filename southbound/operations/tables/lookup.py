"""Find a table by its name: a file, or a published table with a version."""

from __future__ import annotations

import asyncio
import getpass
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from consumers.table_topic.port import TableTopicError
from consumers.table_topic.publish_plan import Authorship
from consumers.table_topic.published_tables import UnreadableRecord
from router.selection.load import load_as, table_kind, table_of
from router.selection.outbound_policy import OutboundPolicy
from router.selection.spoke_selector import SpokeSelector
from router.tables.diagnostics import TableErrors
from schemas.published_tables import DRAFT, MAX_COMMENT_LENGTH, LivePointer, TableKind, TableVersion
from southbound.cli.exit_codes import invalid_input, unreachable
from southbound.operations.kafka import wait_until_reachable
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
    """A table that was named: `name` is what people call it, `comment` what was said when it was written."""

    name: str
    kind: TableKind
    text: str
    loaded: LoadedTable
    comment: str = ""

    @property
    def table(self) -> str:
        """Its id."""
        return table_of(self.loaded).id


def query_topic(settings: Settings, query: Callable[[KafkaTableTopic], Awaitable[T]]) -> T:
    """Put one question to the tables topic, or end the command."""
    topic = table_topic(settings.kafka)

    async def reached() -> T:
        await wait_until_reachable(settings, [topic.name])
        return await query(topic)

    try:
        return asyncio.run(reached())
    except TableTopicError as error:
        raise unreachable(str(error)) from None


def read_published(settings: Settings) -> PublishedTables:
    """Read all tables."""
    return query_topic(settings, lambda topic: topic.read())


def make_signature(author: str | None, comment: str) -> Authorship:
    """Sign what is about to be done; without a name it is the user of this system."""
    if len(comment) > MAX_COMMENT_LENGTH:
        raise invalid_input(
            [f"--comment has {len(comment)} characters and {MAX_COMMENT_LENGTH} is the most: shorten it"]
        )
    try:
        name = author or getpass.getuser()
    except (KeyError, OSError):
        raise invalid_input(["--author NAME: this system does not say who you are"]) from None
    return Authorship(author=name[:200], comment=comment, at=datetime.now(UTC))


def is_file(name: str) -> bool:
    """Return whether a name is that of a file: it exists, or is written like a path."""
    return Path(name).is_file() or "/" in name or Path(name).suffix in SUFFIXES


def load_named_file(file: str, routing: RoutingSettings, spokes: Sequence[str] | None) -> NamedTable:
    """Load a file as what workers will take it for, or end the command with every mistake."""
    try:
        loaded = load_file(file, spokes)
        text, kind = yaml_text(file, loaded), table_kind(loaded)
        wanted = {routing.policy_id: TableKind.POLICY, routing.selector_id: TableKind.SELECTOR}
        needed = wanted.get(table_of(loaded).id, kind)
        if needed is not kind:
            loaded = load_as(needed, text, file, spokes)
    except TableErrors as error:
        raise invalid_input(error.sentences) from None
    return NamedTable(name=file, kind=needed, text=text, loaded=loaded)


def load_named_version(published: PublishedTables, name: str, spokes: Sequence[str] | None = None) -> NamedTable:
    """Load `ID` (what is live), `ID@VERSION` or `ID@draft`, or end the command and say why not."""
    table, _, part = name.partition("@")
    found = find_draft(published, table) if part == DRAFT else find_version(published, table, part)
    try:
        loaded = load_as(found.kind, found.text, f"{table}@{part or found.version}", spokes)
    except TableErrors as error:
        raise invalid_input(error.sentences) from None
    return NamedTable(name=name, kind=found.kind, text=found.text, loaded=loaded, comment=found.comment)


def find_draft(published: PublishedTables, table: str) -> TableText:
    """Return a draft, or end the command."""
    _check_table_exists(published, table)
    advice = "save one with `southbound tables publish FILE --draft`"
    return _require(published.draft(table), f"{table} has no draft", advice)


def find_version(published: PublishedTables, table: str, version: str = "") -> TableVersion:
    """Return a version, without a name the one that is live, or end the command."""
    name = version or find_live(published, table).version
    _check_table_exists(published, table)
    advice = f"see `southbound tables history {table}`"
    return _require(published.version(table, name), f"{table} has no version {name}", advice)


def find_live(published: PublishedTables, table: str) -> LivePointer:
    """Return which version is live, or end the command."""
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
    close = get_close_matches(table, published.tables, 1)
    known = f"did you mean {close[0]}?" if close else "see `southbound tables list`"
    raise invalid_input([f"there is neither a file nor a published table {table}: {known}"])


LIVE = "live"


def load_untested(file: str) -> LoadedTable:
    """Load a table of any format whose saved tests need not pass.

    Raises:
        Failure: with everything that is wrong with it.
    """
    try:
        return load_file(file, tested=False)
    except TableErrors as error:
        raise invalid_input(error.sentences) from None


def load_named(settings: Settings, name: str) -> LoadedTable:
    """Load a file, or a published table: `ID` (what is live), `ID@VERSION` or `ID@draft`.

    Raises:
        Failure: with everything that is wrong with it, or there is no such table.
    """
    return load_untested(name) if is_file(name) else load_named_version(read_published(settings), name).loaded


def load_reference(settings: Settings, draft: LoadedTable, against: str) -> LoadedTable:
    """Return the table beside which a draft is seen: one by name, or for `live` what the gateway decides by.

    Raises:
        Failure: it cannot be had, or the draft is of no kind that decides now.
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
            why = f"{table_id} is neither the outbound policy nor a selector, so nothing live is like it"
            raise invalid_input([f"{why}: name the table to compare it with, --against TABLE"])


def kind_name(loaded: LoadedTable) -> str:
    """Describe what kind of table it is."""
    return _KINDS[table_kind(loaded)]


_KINDS = {
    TableKind.POLICY: "an outbound policy",
    TableKind.SELECTOR: "a spoke selector",
    TableKind.TABLE: "a decision table",
}
