"""Compare a run store with the fold of the topics, or with another store, run by run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic_core import to_json

from consumers.runtime.kafka.partition_reader import PartitionReader, PartitionReadError
from consumers.store.migrate import SchemaError
from consumers.store.port import StoreUnavailableError
from consumers.store.sql_store import open_store
from router.recovery.differences import COMPARED_FIELDS, differences, fields_not_compared
from router.recovery.fold import fold_hierarchy
from schemas.text.counts import count_noun
from schemas.topics import TopicNames
from southbound.exit_codes import CommandFailedError, ExitCode, invalid_input, unreachable
from southbound.operations.console import print_json, print_status, print_text
from southbound.operations.kafka import make_envelope, wait_until_reachable
from southbound.operations.progress import show_progress
from southbound.operations.replay.event_spool import open_spool
from southbound.operations.replay.read_topics import topics_of_runs
from southbound.operations.replay.rebuild import SOURCE, spool_topics
from southbound.operations.replay.store_reader import check_store_exists
from southbound.service.kafka_settings import standalone_consumer_settings
from southbound.service.open_resources import open_run_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from consumers.runtime.kafka.offset_range import OffsetRange
    from consumers.store.sql_store import SqlRunStore
    from router.recovery.differences import Difference
    from router.runs.run import RunRow
    from southbound.operations.replay.event_spool import EventSpool
    from southbound.settings.settings import Settings

PAGE_SIZE = 500  # rows
MAX_SHOWN = 200  # differences on a screen; --json shows all
WHAT_IS_COMPARED = (
    f"compared is what decides how a run goes on: {', '.join(COMPARED_FIELDS)}. Not compared:"
    f" {', '.join(fields_not_compared())}; nor timelines and explanations of decisions"
)
MAX_VALUE = 160  # characters of a value on a screen


class _Tally:
    """Counts and prints differences as they are found."""

    def __init__(self, left: str, right: str, *, as_json: bool) -> None:
        self.left, self.right, self.as_json = left, right, as_json
        self.runs = self.differing = self.shown = 0

    def add(self, run_id: str, left: RunRow | None, right: RunRow | None) -> None:
        found = differences(run_id, left, right)
        self.runs += 1
        self.differing += bool(found)
        for each in found:
            self._show(each)

    def _show(self, found: Difference) -> None:
        self.shown += 1
        if self.as_json:
            print_json(to_json(found._asdict(), inf_nan_mode="null").decode())
        elif self.shown <= MAX_SHOWN:
            left, right = (to_json(value).decode()[:MAX_VALUE] for value in (found.left, found.right))
            print_text(f"{found.run_id} {found.field}: {self.left} has {left}, {self.right} has {right}")

    def finish(self) -> int:
        if not self.as_json:
            print_status(WHAT_IS_COMPARED)
        if not self.differing:
            if not self.as_json:
                print_text(f"{count_noun(self.runs, 'run')}: {self.left} and {self.right} are equal where compared")
            return ExitCode.SUCCESS
        raise CommandFailedError(
            ExitCode.INVALID_INPUT,
            f"{self.differing:,} of {count_noun(self.runs, 'run')} differ between {self.left} and {self.right}",
        )


def compare_store(settings: Settings, *, other: str | None, as_json: bool) -> int:
    """Compare the run store of the settings with the topics, or with the store at the address `other`.

    Raises:
        CommandFailedError: they differ, or something cannot be read.
    """
    check_store_exists(settings.store.url.get_secret_value())
    try:
        return asyncio.run(_compare_stores(settings, other, as_json) if other else _compare(settings, as_json))
    except (StoreUnavailableError, PartitionReadError) as error:
        raise unreachable(str(error)) from None
    except (SchemaError, ValueError) as error:
        raise invalid_input([str(error)]) from None


async def _compare(settings: Settings, as_json: bool) -> int:  # noqa: FBT001 - private
    names = TopicNames(settings.kafka.prefix)
    await wait_until_reachable(settings, [names.lifecycle, names.inflight, names.results])
    envelope = await make_envelope(settings, SOURCE)
    store = await open_run_store(settings.store)
    try:
        ranges = await asyncio.to_thread(_present_ranges, settings, names)
        with open_spool(envelope) as spool:
            await asyncio.to_thread(spool_topics, settings, ranges, spool, envelope)
            tally = _Tally(store.name, "the topics", as_json=as_json)
            await _compare_with_spool(store, spool, tally)
    finally:
        await store.close()
    return tally.finish()


def _present_ranges(settings: Settings, names: TopicNames) -> list[OffsetRange]:
    with PartitionReader(standalone_consumer_settings(settings.kafka)) as reader:
        topics = topics_of_runs(reader.topics(), names)
        return [found for topic in topics for found in reader.present_ranges(topic)]


async def _compare_with_spool(store: SqlRunStore, spool: EventSpool, tally: _Tally) -> None:
    at = datetime.now(UTC)
    with show_progress("comparing root runs", await asyncio.to_thread(spool.count_roots)) as on_progress:
        done = 0
        for page in _pages(spool, at):
            stored = await asyncio.gather(*(store.run(row.run_id) for row in page))
            for row, known in zip(page, stored, strict=True):
                tally.add(row.run_id, known, row)
            spool.note_runs([row.run_id for row in page])
            done += len({row.root_run_id for row in page})
            on_progress(done)
    async for row in _all_runs(store):
        if not spool.has_run(row.run_id):
            tally.add(row.run_id, row, None)


def _pages(spool: EventSpool, at: datetime) -> Iterator[Sequence[RunRow]]:
    page: list[RunRow] = []
    for root_run_id, events in spool.hierarchies():
        page += fold_hierarchy(root_run_id, events, at).runs
        if len(page) >= PAGE_SIZE:
            yield page
            page = []
    yield page


async def _all_runs(store: SqlRunStore) -> AsyncIterator[RunRow]:
    last = ""
    while page := await store.runs_after(last, PAGE_SIZE):
        for row in page:
            yield row
        last = page[-1].run_id


async def _compare_stores(settings: Settings, other: str, as_json: bool) -> int:  # noqa: FBT001 - private
    check_store_exists(other)
    left = await open_run_store(settings.store)
    try:
        right = await open_store(other)
        try:
            tally = _Tally(left.name, right.name, as_json=as_json)
            async for row in _all_runs(left):
                tally.add(row.run_id, row, await right.run(row.run_id))
            async for row in _all_runs(right):
                if await left.run(row.run_id) is None:
                    tally.add(row.run_id, None, row)
        finally:
            await right.close()
    finally:
        await left.close()
    return tally.finish()
