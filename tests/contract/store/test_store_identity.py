"""A store knows who it is, counts its marks up, and can doubt what it has; on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from sqlite3 import connect
from typing import TYPE_CHECKING

import pytest

from consumers.store.port import StoreUnavailableError
from consumers.store.sql_store import SqlRunStore, open_store
from router.store_continuity import StoreMark, TopicEnds
from schemas.store_claim import CLAIM_KEY, read_claim
from schemas.topics import TopicNames
from schemas.vocabulary import Phase
from southbound.service.store_check import StoreDiscontinuedError, StoreMarker
from tests.builders.runs import NOON, a_run
from tests.fakes.recording_publisher import RecordingPublisher
from tests.integration.store.postgres_database import empty_database, run_store_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["run_store_url"]  # a fixture
PREFIX = "p."
RECORDED = TopicEnds(topic="p.testrun.lifecycle", topic_id="Vw0", ends={0: 12})


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without tables."""
    return empty_database(request, tmp_path / "runs.db")


@pytest.fixture
async def store(address: str) -> AsyncIterator[SqlRunStore]:
    """A store without rows."""
    store = await open_store(address)
    yield store
    await store.close()


async def test_processes_that_start_at_once_find_one_identity_and_bind_it_once(address: str) -> None:
    stores = await asyncio.gather(*(open_store(address) for _ in range(4)))
    await asyncio.gather(*(one.identity.bind(PREFIX) for one in stores))
    marks = [mark for one in stores * 2 if (mark := await one.identity.next_mark())]
    states = [await one.identity.state() for one in stores]
    for one in stores:
        await one.close()
    assert len({mark.store_id for mark in marks}) == 1
    assert sorted(mark.mark for mark in marks) == [*range(1, 9)]
    assert {(state.mark, state.bound_to) for state in states} == {(8, PREFIX)}
    assert not any(state.has_runs or state.unmarked for state in states)


async def test_a_store_is_bound_to_the_first_gateway_only(store: SqlRunStore) -> None:
    assert (await store.identity.state()).bound_to is None
    await store.identity.bind("")  # no prefix is a prefix, too
    await store.identity.bind(PREFIX)
    assert (await store.identity.state()).bound_to == ""


async def test_what_is_accepted_and_recorded_is_kept(store: SqlRunStore) -> None:
    await store.identity.bind("q.")
    assert await store.identity.recorded() is None
    await store.identity.accept(PREFIX, StoreMark("b" * 32, 3), RECORDED)
    await store.identity.bind(PREFIX)
    state = await store.identity.state()
    assert (state.mark, state.bound_to, state.accepted) == (0, PREFIX, {"b" * 32: 3})
    assert await store.identity.recorded() == RECORDED
    await store.identity.accept(PREFIX, StoreMark(state.store_id, 7), RECORDED)
    assert await store.identity.next_mark() == replace(state, mark=8)


async def test_runs_that_were_perhaps_sent_are_in_doubt_and_the_others_as_before(store: SqlRunStore) -> None:
    rows = [
        a_run(f"TR-{phase.value}", request_id=f"RQ-{phase.value}", phase=phase, sent_at=None, external_id=None)
        for phase in Phase
    ]
    await store.save(*rows)
    assert await store.identity.mark_in_doubt(NOON) == 7
    after = {phase: await store.run(f"TR-{phase.value}") for phase in Phase}
    in_doubt = {phase for phase, row in after.items() if row and row.phase is Phase.IN_DOUBT}
    assert in_doubt == {Phase.ROUTED, Phase.RETRYING, Phase.SENDING, Phase.IN_DOUBT}
    presumed_sent = {phase for phase, row in after.items() if row and row.sent_at is not None}
    assert presumed_sent == in_doubt | {Phase.CREATED, Phase.WAITING, Phase.FALLOUT}
    assert {row.revision for phase, row in after.items() if row and phase not in presumed_sent} == {1}
    assert await store.identity.requests_in_doubt("", 3) == ["RQ-inDoubt", "RQ-retrying", "RQ-routed"]
    assert await store.identity.requests_in_doubt("RQ-routed", 3) == ["RQ-sending"]


async def test_a_store_that_is_restored_while_a_process_works_with_it_is_noticed(store: SqlRunStore) -> None:
    publisher = RecordingPublisher()
    marker = await a_marker(store, publisher)
    await marker.advance()
    await marker.advance()
    published = [(message.topic, message.key, read_claim(message.value)) for message in publisher.published]
    assert [(topic, key, claim and claim.mark) for topic, key, claim in published] == [
        ("p.testrun.store", CLAIM_KEY, 1),
        ("p.testrun.store", CLAIM_KEY, 2),
    ]
    await execute(store, "UPDATE store_identity SET mark = 0")
    with pytest.raises(StoreDiscontinuedError, match=r"is older than the committed offsets.*--accept-empty-store"):
        await marker.advance()
    assert len(publisher.published) == 2


async def test_a_store_that_is_exchanged_for_one_without_identity_is_noticed(address: str, store: SqlRunStore) -> None:
    marker = await a_marker(store, RecordingPublisher())
    await marker.advance()
    before = await store.identity.state()
    await execute(store, "DELETE FROM store_identity")
    with pytest.raises(StoreDiscontinuedError, match=r"is not the one that the gateway .* has worked with"):
        await marker.advance()
    again = await open_store(address)
    state = await again.identity.state()
    await again.close()
    assert state.store_id != before.store_id
    assert (state.mark, state.bound_to) == (0, None)


def prepare(becomes: str, file: Path) -> None:
    """Make what takes the place of a store; the marks that the store counts from now on are not in it."""
    if becomes == "an older backup":
        with closing(connect(file)) as copying:
            copying.execute("VACUUM INTO ?", (str(file.with_name("backup")),))
    elif becomes == "another store":
        asyncio.run(make_store(file.with_name("backup")))
    elif becomes == "an empty file":
        file.with_name("backup").touch()


async def make_store(file: Path) -> None:
    await (await open_store(f"sqlite:///{file}")).close()


def replace_file(file: Path) -> None:
    for each in file.parent.glob("runs.db*"):
        each.unlink()
    if file.with_name("backup").exists():
        file.with_name("backup").rename(file)


@pytest.mark.parametrize("becomes", ["nothing", "an empty file", "an older backup", "another store"])
async def test_fault_a_file_that_is_deleted_or_replaced_while_a_process_works_with_it_was_not_noticed(
    becomes: str, tmp_path: Path
) -> None:
    file = tmp_path / "runs.db"
    store = await open_store(f"sqlite:///{file}")
    marker = await a_marker(store, RecordingPublisher())
    await marker.advance()
    await asyncio.to_thread(prepare, becomes, file)
    await marker.advance()
    replace_file(file)
    with pytest.raises(StoreDiscontinuedError, match=r"runs\.db is not the one .*replay --rebuild"):
        await marker.advance()
    await store.close()


async def test_fault_a_process_that_opened_the_deleted_file_again_after_an_error_never_ended(tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    store = await open_store(f"sqlite:///{file}")
    marker = await a_marker(store, RecordingPublisher())
    await marker.advance()
    replace_file(file)
    with pytest.raises(StoreUnavailableError):
        await execute(store, "UPDATE nothing SET x = 1")
    with pytest.raises(StoreDiscontinuedError, match="replay --rebuild"):
        await marker.advance()
    await store.close()


async def test_a_store_that_is_given_to_another_gateway_ends_the_process(store: SqlRunStore) -> None:
    marker = await a_marker(store, RecordingPublisher())
    await marker.advance()
    await store.identity.accept("q.", None, RECORDED)
    with pytest.raises(StoreDiscontinuedError, match=r"belongs to another gateway, of the topics q\.testrun"):
        await marker.advance()


async def a_marker(store: SqlRunStore, publisher: RecordingPublisher) -> StoreMarker:
    await store.identity.bind(PREFIX)
    return StoreMarker(identity=store.identity, store=store.name, topics=TopicNames(PREFIX), publisher=publisher)


async def execute(store: SqlRunStore, statement: str) -> None:
    await store._database.write(lambda connection: connection.exec_driver_sql(statement))
