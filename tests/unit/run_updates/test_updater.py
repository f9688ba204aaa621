"""The run updater needs few queries and transactions of the run store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from consumers.routing.assemble_hierarchy import HierarchyAssembler
from consumers.run_updates.announce import Announcer
from consumers.run_updates.updater import RunUpdater
from consumers.store.port import ConflictError
from producers.event_publisher import EventPublisher
from producers.publisher import PublishError
from router.runs.advance import TransitionNotAllowedError
from router.runs.events import Refused, Reported
from router.runs.reports.report import ExternalReport
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.lifecycle import RunRequested
from schemas.results import Reason, RequestResult, RunResult
from schemas.topics import TopicNames
from schemas.vocabulary import Phase, RunState
from tests.builders.runs import NOON, SINGLE, TREE, a_document, a_run, a_tree
from tests.fakes.recording_publisher import RecordingPublisher
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.runs.run import RequestRow, RunRow
    from router.selection.thresholds import ThresholdUse
    from schemas.catalogue import EventData

REFUSED_EVENT = Refused(reasons=(Reason(code="NO_SUCH_LINE", message="There is no such line."),))
TOPICS = TopicNames("")
ENVELOPE = Envelope(Codec(), source="/test")
CAUSE = Event(headers=EventHeaders(id="E1", time=NOON, subject="TR0001"), data=RunRequested(run=a_document()))


class QueryCountingStore(InMemoryRunStore):
    """Records the queries about whole requests, and counts transactions."""

    def __init__(self, *rows: RunRow) -> None:
        super().__init__(*rows)
        self.asked: list[str] = []
        self.transactions = 0

    async def save_each(
        self, saves: Sequence[Sequence[RunRow | RequestRow | ThresholdUse]]
    ) -> Sequence[Exception | None]:
        self.transactions += 1
        return await super().save_each(saves)

    async def runs_of_request(self, request_id: str) -> Sequence[RunRow]:
        self.asked.append("all rows")
        return await super().runs_of_request(request_id)

    async def has_open_runs(self, request_id: str) -> bool:
        self.asked.append("any open")
        return await super().has_open_runs(request_id)


async def test_a_hierarchy_is_read_once_however_many_children_end() -> None:
    tree = a_tree(children=20)
    rows = [
        a_run(document.run_id, document=document, phase=Phase.SENDING, decision=TREE)
        for document in (tree, *tree.children)
    ]
    store = QueryCountingStore(*rows)
    (result,) = await request_results_after_the_end_of(rows, store)
    assert store.asked == ["any open"] * 21 + ["all rows"]
    assert [outcome.run_id for outcome in result.runs] == [row.run_id for row in rows]


async def test_a_single_run_needs_no_query_about_its_request() -> None:
    row = a_run(phase=Phase.SENDING, decision=SINGLE)
    store = QueryCountingStore(row)
    (result,) = await request_results_after_the_end_of([row], store)
    assert store.asked == []
    assert [outcome.run_id for outcome in result.runs] == ["TR0001"]


async def test_an_update_stored_but_not_published_by_a_frozen_worker_is_published_by_its_successor() -> None:
    row = a_run(phase=Phase.IN_PROGRESS)
    store, frozen = QueryCountingStore(row), RecordingPublisher()
    done = Reported(report_id="E1", report=ExternalReport(external_id="ext-TR0001", state=RunState.COMPLETED))
    frozen.fail_topic(TOPICS.results)
    with pytest.raises(PublishError):
        await updater_over(store, frozen).store_fact(CAUSE, row, done)
    publisher = RecordingPublisher()
    await updater_over(store, publisher).store_fact(CAUSE, row, done)
    assert [type(data) for data in messages_of(publisher)] == [RunResult, RequestResult]


async def request_results_after_the_end_of(rows: Sequence[RunRow], store: QueryCountingStore) -> list[RequestResult]:
    publisher = RecordingPublisher()
    updater = updater_over(store, publisher)
    for row in rows:
        await updater.store_fact(CAUSE, row, REFUSED_EVENT)
    return [data for data in messages_of(publisher) if isinstance(data, RequestResult)]


def updater_over(store: QueryCountingStore, publisher: RecordingPublisher) -> RunUpdater:
    announcer = Announcer(
        events=EventPublisher(publisher=publisher, envelope=ENVELOPE, topics=TOPICS), now=lambda: NOON
    )
    return RunUpdater(store=store, announcer=announcer, now=lambda: NOON)


def messages_of(publisher: RecordingPublisher) -> list[EventData]:
    return [ENVELOPE.decode(message.value, message.headers, fallback_id="none").data for message in publisher.published]


async def test_update_requests_in_one_group_fail_independently() -> None:
    rows = [a_run(run_id, phase=Phase.SENDING, decision=SINGLE) for run_id in ("TR0001", "TR0002", "TR0003")]
    store, publisher = QueryCountingStore(*rows), RecordingPublisher()
    updater = updater_over(store, publisher)
    stale, ended = replace(rows[1], revision=7), replace(rows[2], phase=Phase.FULFILLED)
    answers = await asyncio.gather(
        *(updater.store_intention(CAUSE, row, REFUSED_EVENT) for row in (rows[0], stale, ended)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [type(rows[0]), ConflictError, TransitionNotAllowedError]
    assert [data.run_id for data in messages_of(publisher) if isinstance(data, RunResult)] == ["TR0001"]


async def test_update_requests_of_concurrent_handlers_share_one_transaction() -> None:
    rows = [a_run(f"TR{number}", phase=Phase.SENDING, decision=SINGLE) for number in range(50)]
    store = QueryCountingStore(*rows)
    updater = updater_over(store, RecordingPublisher())
    await asyncio.gather(*(updater.store_fact(CAUSE, row, REFUSED_EVENT) for row in rows))
    assert store.transactions == 1


async def test_children_requested_concurrently_share_one_transaction() -> None:
    gateway = InMemoryGateway(store=QueryCountingStore())
    route = gateway.route
    gather = HierarchyAssembler(updater=route.updater, commands=route.commands, router=route, limits=gateway.limits)
    children = [a_document(f"T-{number}", root="T", parent="T") for number in range(50)]
    events = [Event(headers=EventHeaders(id=f"E{n}"), data=RunRequested(run=run)) for n, run in enumerate(children)]
    await asyncio.gather(*(gather.add(event, run) for event, run in zip(events, children, strict=True)))
    assert len(gateway.store.runs) == 50
    assert isinstance(gateway.store, QueryCountingStore)
    assert gateway.store.transactions == 1


async def test_large_hierarchies_are_not_stored_in_one_transaction() -> None:
    store = QueryCountingStore()
    updater = updater_over(store, RecordingPublisher())
    trees = [[a_run(f"{name}-{number}") for number in range(400)] for name in "ABC"]
    await asyncio.gather(*(updater.store_intentions(CAUSE, [], rows) for rows in trees))
    assert len(store.runs) == 1200
    assert store.transactions == 2  # a group ends with the update request that fills it
