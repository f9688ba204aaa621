"""Runs are moved by few questions to the run store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.moves import Mover
from consumers.voice import Voice
from producers.events import EventPublisher
from router.happenings import Refused
from schemas.codec import Codec
from schemas.envelope import Envelope, Event
from schemas.headers import EventHeaders
from schemas.lifecycle import RunRequested
from schemas.outcomes import Reason, RequestResult
from schemas.topics import TopicNames
from schemas.vocabulary import Phase
from tests.builders import NOON, SINGLE, TREE, a_document, a_run, a_tree
from tests.fakes.publisher import RecordingPublisher
from tests.fakes.store import InMemoryRunStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.runs import RunRow

NO = Refused(reasons=(Reason(code="NO_SUCH_LINE", message="There is no such line."),))
TOPICS = TopicNames("")
ENVELOPE = Envelope(Codec(), source="/test")
CAUSE = Event(headers=EventHeaders(id="E1", time=NOON, subject="TR0001"), data=RunRequested(run=a_document()))


class Ledger(InMemoryRunStore):
    """Notes what is asked about whole requests."""

    def __init__(self, *rows: RunRow) -> None:
        super().__init__(*rows)
        self.asked: list[str] = []

    async def runs_of_request(self, request_id: str) -> Sequence[RunRow]:
        self.asked.append("all rows")
        return await super().runs_of_request(request_id)

    async def has_open_runs(self, request_id: str) -> bool:
        self.asked.append("any open")
        return await super().has_open_runs(request_id)


async def test_a_hierarchy_is_read_once_however_many_children_end() -> None:
    tree = a_tree(children=20)
    rows = [a_run(one.run_id, document=one, phase=Phase.SENDING, decision=TREE) for one in (tree, *tree.children)]
    store = Ledger(*rows)
    (result,) = await request_results_after_the_end_of(rows, store)
    assert store.asked == ["any open"] * 21 + ["all rows"]
    assert [outcome.run_id for outcome in result.runs] == [row.run_id for row in rows]


async def test_a_run_alone_costs_no_question_about_its_request() -> None:
    row = a_run(phase=Phase.SENDING, decision=SINGLE)
    store = Ledger(row)
    (result,) = await request_results_after_the_end_of([row], store)
    assert store.asked == []
    assert [outcome.run_id for outcome in result.runs] == ["TR0001"]


async def request_results_after_the_end_of(rows: Sequence[RunRow], store: Ledger) -> list[RequestResult]:
    publisher = RecordingPublisher()
    voice = Voice(events=EventPublisher(publisher=publisher, envelope=ENVELOPE, topics=TOPICS), now=lambda: NOON)
    mover = Mover(store=store, voice=voice, now=lambda: NOON)
    for row in rows:
        await mover.record(CAUSE, row, NO)
    said = [ENVELOPE.decode(one.value, one.headers, fallback_id="none").data for one in publisher.published]
    return [word for word in said if isinstance(word, RequestResult)]
