"""What a row says was published last counts as acknowledged only if Kafka certainly has it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from consumers.run_updates.acknowledgements import Acknowledgements
from consumers.run_updates.announce import Announcer
from consumers.run_updates.updater import RunUpdater
from consumers.store.port import ConflictError
from producers.event_publisher import EventPublisher
from producers.publisher import PublishError
from router.runs.events import Reported
from router.runs.notifications.build import build_result
from router.runs.notifications.last_notification import remember_notifications
from router.runs.reports.report import ExternalReport
from router.runs.run import replace
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.lifecycle import RunRequested
from schemas.results import RunResult
from schemas.topics import TopicNames
from schemas.vocabulary import Phase, RunState
from tests.builders.runs import NOON, TREE, a_document, a_run, a_tree
from tests.fakes.recording_publisher import RecordingPublisher
from tests.fakes.run_store import InMemoryRunStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.runs.run import RequestRow, RunRow
    from router.selection.thresholds import ThresholdUse
    from schemas.catalogue import EventData

REPORT = Event(headers=EventHeaders(id="E1", time=NOON, subject="T"), data=RunRequested(run=a_document()))
COMPLETED = Reported(report_id="E1", report=ExternalReport(external_id="ext-T-1", state=RunState.COMPLETED))
ENVELOPE = Envelope(Codec(), source="/test")


class SlowStore(InMemoryRunStore):
    """Saves, and returns only when it is told to: the transaction of a busy disk."""

    def __init__(self, *rows: RunRow) -> None:
        super().__init__(*rows)
        self.saving = asyncio.Event()
        self.may_return = asyncio.Event()

    async def save_each(
        self, saves: Sequence[Sequence[RunRow | RequestRow | ThresholdUse]]
    ) -> Sequence[Exception | None]:
        answer = await super().save_each(saves)
        self.saving.set()
        await self.may_return.wait()
        return answer


async def test_a_result_in_a_hierarchy_whose_handler_was_cancelled_while_it_was_stored_is_published() -> None:
    """Once, seven results of 86,211 were lost: the next delivery met a row that nobody had announced."""
    tree = a_tree("T", children=1)
    runs = (tree, *tree.children)
    root, child = (a_run(run.run_id, document=run, phase=Phase.IN_PROGRESS, decision=TREE) for run in runs)
    store, publisher = SlowStore(root, child), RecordingPublisher()
    updater = _updater_over(store, publisher)
    cancelled = asyncio.create_task(updater.store_fact(REPORT, child, COMPLETED))
    await store.saving.wait()
    cancelled.cancel()  # the session has ended; the transaction goes on
    redelivered = asyncio.create_task(updater.store_fact(REPORT, child, COMPLETED))  # it had read the row before
    await asyncio.wait([cancelled])
    store.may_return.set()
    await redelivered
    assert [data.run_id for data in _published(publisher) if isinstance(data, RunResult)] == [child.run_id]


async def test_what_one_block_stored_stays_open_if_another_did_not_store_the_same() -> None:
    acknowledgements, before = Acknowledgements(), a_run(phase=Phase.IN_PROGRESS)
    after = _stored(before, acknowledgements)
    first, second = (acknowledgements.publishing("E1", [(before, ())]) for _ in range(2))
    second.__exit__(ConflictError, None, None)
    assert not acknowledgements.is_acknowledged(after)
    first.__exit__(PublishError, None, None)
    assert not await acknowledgements.becomes_acknowledged(after)
    acknowledgements.acknowledge([after])
    assert await acknowledgements.becomes_acknowledged(after)


async def test_what_was_certainly_not_stored_is_not_kept() -> None:
    acknowledgements, before = Acknowledgements(), a_run(phase=Phase.IN_PROGRESS)
    with pytest.raises(ConflictError), acknowledgements.publishing("E1", [(before, ())]):
        raise ConflictError("moved")
    assert acknowledgements.is_acknowledged(_stored(before, acknowledgements))


def _stored(row: RunRow, acknowledgements: Acknowledgements) -> RunRow:
    """Return the row after an update by `E1` of this process."""
    after = replace(row, revision=row.revision + 1)
    return remember_notifications(after, [build_result(after)], cause="E1", process_id=acknowledgements.process_id)


def _updater_over(store: InMemoryRunStore, publisher: RecordingPublisher) -> RunUpdater:
    events = EventPublisher(publisher=publisher, envelope=ENVELOPE, topics=TopicNames(""))
    return RunUpdater(store=store, announcer=Announcer(events=events, now=lambda: NOON), now=lambda: NOON)


def _published(publisher: RecordingPublisher) -> list[EventData]:
    return [ENVELOPE.decode(message.value, message.headers, fallback_id="none").data for message in publisher.published]
