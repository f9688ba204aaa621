"""Run `southbound tables publish` and `southbound tables rollback`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pydantic_core import to_json

from consumers.table_topic.port import PlanOutdatedError
from consumers.table_topic.publish_plan import (
    TableSubmission,
    plan_draft,
    plan_publish,
    plan_rollback,
    rollback_version,
    size_problem,
)
from consumers.table_topic.published_tables import PublishedTables
from router.selection.load import document_of, load_as
from router.selection.publish_checks import check_before_publishing
from router.tables.diagnostics import TableErrors
from router.tables.diff import compare_tables
from schemas.published_tables import DRAFT, LivePointer
from southbound.exit_codes import CommandFailedError, ExitCode, invalid_input
from southbound.operations.backtest.compare import backtest_findings
from southbound.operations.console import print_json, print_status, print_text
from southbound.operations.tables.check import known_spokes
from southbound.operations.tables.formats import load_file
from southbound.operations.tables.lookup import (
    find_live,
    find_version,
    is_file,
    load_named_file,
    load_named_version,
    make_authorship,
    query_topic,
    read_published,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.table_topic.kafka_table_topic import KafkaTableTopic
    from consumers.table_topic.publish_plan import Authorship, PublishPlan
    from southbound.operations.tables.lookup import NamedTable
    from southbound.settings.settings import Settings

MAX_SHOWN_DIFFERENCES = 40  # differences; `southbound tables diff` shows them all


def save_draft(settings: Settings, file: str, authorship: Authorship, *, as_json: bool) -> int:
    """Run `southbound tables publish --draft`.

    Raises:
        CommandFailedError: the file does not load, or Kafka does not accept the draft.
    """
    named = load_named_file(file, settings.routing, None)
    for sentence in (findings := check_before_publishing(named.loaded, spokes_known=True)).errors:
        print_status(f"error that prevents publishing: {sentence}")
    _print_warnings(findings.warnings)
    draft = _authored_table(named)
    _write_plan(settings, plan_draft(draft, authorship), named.table)
    content = {"table": named.table, "draft": draft.version, "author": authorship.author, "comment": authorship.comment}
    line = f"{named.table}@{DRAFT} is saved ({draft.version}): `southbound tables publish {named.table}` makes it live"
    (print_json if as_json else print_text)(to_json(content).decode() if as_json else line)
    return ExitCode.SUCCESS


def publish_table(
    settings: Settings, name: str, author: str | None, comment: str, *, backtest: str | None, as_json: bool
) -> int:
    """Run `southbound tables publish`. `backtest` is a duration such as `7d`; None: no backtest.

    Raises:
        CommandFailedError: the table is wrong, the backtest refuses it, or Kafka does not accept it.
    """
    spokes = known_spokes(settings.routing.spokes)
    published = PublishedTables()
    if is_file(name):
        named = _load_for_publishing(name, settings, spokes)
    else:
        _check_is_no_version(name)
        published = read_published(settings)
        named = load_named_version(published, f"{name.removesuffix(f'@{DRAFT}')}@{DRAFT}", spokes)
    findings = check_before_publishing(named.loaded, spokes_known=spokes is not None)
    if backtest is not None and not findings.errors:
        findings += backtest_findings(settings, named.name, backtest, quiet=as_json)
    _print_warnings(findings.warnings)
    if findings.errors:
        raise invalid_input(findings.errors)
    if settings.routing.tables == "files":
        print_status(
            "note: with these settings workers use table files; with routing.tables: topic they use published tables"
        )
    published = read_published(settings) if is_file(name) else published
    return _make_live(settings, published, named, make_authorship(author, comment or named.comment), as_json=as_json)


def _load_for_publishing(file: str, settings: Settings, spokes: Sequence[str] | None) -> NamedTable:
    """Load a file; if only its saved tests fail, also report the other errors that prevent publishing."""
    try:
        return load_named_file(file, settings.routing, spokes)
    except CommandFailedError as failure:
        with suppress(TableErrors):
            untested = load_file(file, spokes, tested=False)
            raise invalid_input(
                [*failure.sentences, *check_before_publishing(untested, spokes_known=spokes is not None).errors]
            ) from None
        raise


def _check_is_no_version(name: str) -> None:
    table, _, version = name.partition("@")
    if version not in ("", DRAFT):
        raise invalid_input([f"{name} is a version: make it live with `southbound tables rollback {table} {version}`"])


def _make_live(
    settings: Settings, published: PublishedTables, named: NamedTable, authorship: Authorship, *, as_json: bool
) -> int:
    submission, live = _authored_table(named), published.live(named.table)
    previous = live.version if isinstance(live, LivePointer) else None
    if previous == submission.version:
        return _report_unchanged(named.table, previous, as_json=as_json)
    _write_plan(settings, plan_publish(published, submission, authorship), named.table)
    _print_published(published, named, submission.version, authorship, as_json=as_json)
    return ExitCode.SUCCESS


def roll_back_table(
    settings: Settings, table: str, version: str | None, authorship: Authorship, *, as_json: bool
) -> int:
    """Run `southbound tables rollback`. `version` None is the version before the live one.

    Raises:
        CommandFailedError: there is no such version, it does not load any more, or Kafka does not accept the change.
    """
    published, spokes = read_published(settings), known_spokes(settings.routing.spokes)
    live = find_live(published, table)
    target = version or rollback_version(live.changes)
    if target is None:
        raise invalid_input([f"{table} has no version before {live.version}: publish the wanted one"])
    if target == live.version:
        return _report_unchanged(table, target, as_json=as_json)
    named = load_named_version(published, f"{table}@{target}", spokes)
    _write_plan(settings, plan_rollback(published, find_version(published, table, target), authorship), table)
    _print_published(published, named, target, authorship, as_json=as_json)
    return ExitCode.SUCCESS


def _report_unchanged(table: str, version: str, *, as_json: bool) -> int:
    print_status(f"{table}@{version} is live already: nothing was written")
    if as_json:
        content = {"table": table, "version": version, "previous": version, "changed": False, "differences": []}
        print_json(to_json(content).decode())
    return ExitCode.SUCCESS


def _authored_table(named: NamedTable) -> TableSubmission:
    return TableSubmission(table=named.table, kind=named.kind, text=named.text)


def _print_warnings(warnings: tuple[str, ...]) -> None:
    for sentence in warnings:
        print_status(f"warning: {sentence}")


def _write_plan(settings: Settings, plan: PublishPlan, table: str) -> None:
    if sentence := size_problem(plan):
        raise invalid_input([sentence])

    async def write(topic: KafkaTableTopic) -> PublishedTables | None:
        try:
            await topic.write(plan)
        except PlanOutdatedError:
            return await topic.read()
        return None

    if (current := query_topic(settings, write)) is not None:
        raise invalid_input([_conflict_sentence(current, table)])


def _conflict_sentence(current: PublishedTables, table: str) -> str:
    live = current.live(table)
    change = (
        f"{live.author} made {table}@{live.version} live" if isinstance(live, LivePointer) else f"{table} was changed"
    )
    return f"nothing was written, because {change} meanwhile: see `southbound tables diff`, then do it again"


def _print_published(
    published: PublishedTables, named: NamedTable, version: str, authorship: Authorship, *, as_json: bool
) -> None:
    live = published.live(named.table)
    previous = live.version if isinstance(live, LivePointer) else None
    sentences = _differences_since(published, named, previous)
    if as_json:
        content = {
            "table": named.table,
            "version": version,
            "previous": previous,
            "changed": True,
            "author": authorship.author,
        }
        print_json(
            to_json({**content, "at": authorship.at, "comment": authorship.comment, "differences": sentences}).decode()
        )
        return
    print_text(f"{named.table}@{version} is live" + (f" (previous: {previous})" if previous else ""))
    for sentence in sentences[:MAX_SHOWN_DIFFERENCES]:
        print_text(f"  {sentence}")
    if len(sentences) > MAX_SHOWN_DIFFERENCES:
        print(f"  … {len(sentences) - MAX_SHOWN_DIFFERENCES} more")


def _differences_since(published: PublishedTables, named: NamedTable, previous: str | None) -> list[str]:
    if previous is None:
        return []
    try:
        record = find_version(published, named.table, previous)
        loaded = load_as(record.kind, record.text, f"{named.table}@{previous}")
    except TableErrors as error:
        return [f"the previous version cannot be compared: {error.sentences[0]}"]
    return [change.sentence for change in compare_tables(document_of(loaded), document_of(named.loaded))]
