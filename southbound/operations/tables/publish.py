"""Publish a table, save a draft of it, or go back to an older version."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pydantic_core import to_json

from consumers.table_topic.port import PlanOutdatedError
from router.selection.load import document_of, load_as
from router.selection.publish_checks import check_before_publishing
from router.tables.diagnostics import TableErrors
from router.tables.diff import differences
from router.tables.publish_plan import (
    TableSubmission,
    plan_draft,
    plan_publish,
    plan_rollback,
    too_large,
    version_before,
)
from router.tables.versions import PublishedTables
from schemas.published_tables import DRAFT, LivePointer
from southbound.cli.exit_codes import CommandFailedError, ExitCode, wrong
from southbound.operations.backtest.compare import look_back
from southbound.operations.console import say
from southbound.operations.tables.check import known_spokes
from southbound.operations.tables.formats import load_file
from southbound.operations.tables.lookup import (
    ask,
    from_file,
    from_topic,
    is_file,
    live_of,
    published_in,
    signed,
    version_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.table_topic.kafka_table_topic import KafkaTableTopic
    from router.tables.publish_plan import Authorship, PublishPlan
    from southbound.operations.tables.lookup import NamedTable
    from southbound.settings.settings import Settings

MOST_SHOWN = 40  # differences; `southbound tables diff` shows them all


def save_draft(settings: Settings, file: str, by: Authorship, *, as_json: bool) -> int:
    """Keep what somebody works at; it loads, but nobody decides by it."""
    named = from_file(file, settings.routing, None)
    for sentence in (findings := check_before_publishing(named.loaded, spokes_known=True)).errors:
        say(f"will keep it from being published: {sentence}")
    _warn(findings.warnings)
    draft = _written(named)
    _write(settings, plan_draft(draft, by), named.table)
    said = {"table": named.table, "draft": draft.version, "author": by.author, "comment": by.comment}
    line = f"{named.table}@{DRAFT} is saved ({draft.version}): `southbound tables publish {named.table}` makes it live"
    print(to_json(said).decode() if as_json else line)  # noqa: T201 - it was asked for
    return ExitCode.DONE


def publish(
    settings: Settings, name: str, author: str | None, comment: str, *, backtest: str | None, as_json: bool
) -> int:
    """Make a file or a draft live, if nothing keeps it back. `backtest`: how far to look back first, such as `7d`."""
    spokes = known_spokes(settings.routing.spokes)
    published = PublishedTables()
    if is_file(name):
        named = _from_file(name, settings, spokes)
    else:
        _check_is_no_version(name)
        published = published_in(settings)
        named = from_topic(published, f"{name.removesuffix(f'@{DRAFT}')}@{DRAFT}", spokes)
    findings = check_before_publishing(named.loaded, spokes_known=spokes is not None)
    if backtest is not None and not findings.errors:
        findings += look_back(settings, named.name, backtest, quiet=as_json)
    _warn(findings.warnings)
    if findings.errors:
        raise wrong(findings.errors)
    if settings.routing.tables == "files":
        say("note: by these settings workers decide by files; they follow what is published with routing.tables: topic")
    published = published_in(settings) if is_file(name) else published
    return _make_live(settings, published, named, signed(author, comment or named.comment), as_json=as_json)


def _from_file(file: str, settings: Settings, spokes: Sequence[str] | None) -> NamedTable:
    """Load a file; where only saved tests keep it back, tell too what else would."""
    try:
        return from_file(file, settings.routing, spokes)
    except CommandFailedError as failure:
        with suppress(TableErrors):
            untested = load_file(file, spokes, tested=False)
            raise wrong(
                [*failure.sentences, *check_before_publishing(untested, spokes_known=spokes is not None).errors]
            ) from None
        raise


def _check_is_no_version(name: str) -> None:
    table, _, version = name.partition("@")
    if version not in ("", DRAFT):
        raise wrong([f"{name} is a version: make it live with `southbound tables rollback {table} {version}`"])


def _make_live(
    settings: Settings, published: PublishedTables, named: NamedTable, by: Authorship, *, as_json: bool
) -> int:
    written, live = _written(named), published.live(named.table)
    before = live.version if isinstance(live, LivePointer) else None
    if before == written.version:
        return _nothing_written(named.table, before, as_json=as_json)
    _write(settings, plan_publish(published, written, by), named.table)
    _told(published, named, written.version, by, as_json=as_json)
    return ExitCode.DONE


def roll_back(settings: Settings, table: str, version: str | None, by: Authorship, *, as_json: bool) -> int:
    """Make an older version live again, if it still loads."""
    published, spokes = published_in(settings), known_spokes(settings.routing.spokes)
    live = live_of(published, table)
    wanted = version or version_before(live.moves)
    if wanted is None:
        raise wrong([f"{table} has no version before {live.version}: publish the one that you want"])
    if wanted == live.version:
        return _nothing_written(table, wanted, as_json=as_json)
    named = from_topic(published, f"{table}@{wanted}", spokes)
    _write(settings, plan_rollback(published, version_of(published, table, wanted), by), table)
    _told(published, named, wanted, by, as_json=as_json)
    return ExitCode.DONE


def _nothing_written(table: str, version: str, *, as_json: bool) -> int:
    say(f"{table}@{version} is live already: nothing was written")
    if as_json:
        said = {"table": table, "version": version, "previous": version, "written": False, "differences": []}
        print(to_json(said).decode())  # noqa: T201 - it was asked for
    return ExitCode.DONE


def _written(named: NamedTable) -> TableSubmission:
    return TableSubmission(table=named.table, kind=named.kind, text=named.text)


def _warn(warnings: tuple[str, ...]) -> None:
    for sentence in warnings:
        say(f"warning: {sentence}")


def _write(settings: Settings, plan: PublishPlan, table: str) -> None:
    if sentence := too_large(plan):
        raise wrong([sentence])

    async def write(topic: KafkaTableTopic) -> PublishedTables | None:
        try:
            await topic.write(plan)
        except PlanOutdatedError:
            return await topic.read()
        return None

    if (found := ask(settings, write)) is not None:
        raise wrong([_overtaken(found, table)])


def _overtaken(found: PublishedTables, table: str) -> str:
    live = found.live(table)
    who = f"{live.author} made {table}@{live.version} live" if isinstance(live, LivePointer) else f"{table} was changed"
    return f"nothing was written, because {who} meanwhile: see `southbound tables diff`, then do it again"


def _told(published: PublishedTables, named: NamedTable, version: str, by: Authorship, *, as_json: bool) -> None:
    live = published.live(named.table)
    before = live.version if isinstance(live, LivePointer) else None
    changes = _since(published, named, before)
    if as_json:
        said = {"table": named.table, "version": version, "previous": before, "written": True, "author": by.author}
        print(to_json({**said, "at": by.at, "comment": by.comment, "differences": changes}).decode())  # noqa: T201 - as above
        return
    print(f"{named.table}@{version} is live" + (f" (before: {before})" if before else ""))  # noqa: T201 - as above
    for sentence in changes[:MOST_SHOWN]:
        print(f"  {sentence}")  # noqa: T201 - as above
    if len(changes) > MOST_SHOWN:
        print(f"  … {len(changes) - MOST_SHOWN} more")  # noqa: T201 - as above


def _since(published: PublishedTables, named: NamedTable, before: str | None) -> list[str]:
    if before is None:
        return []
    try:
        old = version_of(published, named.table, before)
        loaded = load_as(old.kind, old.text, f"{named.table}@{before}")
    except TableErrors as error:
        return [f"what was live cannot be compared: {error.sentences[0]}"]
    return [change.sentence for change in differences(document_of(loaded), document_of(named.loaded))]
