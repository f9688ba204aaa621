"""The recorder stores what was collected in groups, keeps it during an outage, and is bounded."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from consumers import record_timeline as recorder
from consumers.dispatch.call import ObservedCall
from consumers.record_timeline import TimelineRecorder
from consumers.spokes.port import Call
from consumers.store.port import StoreUnavailableError
from router.responses import HttpResponse, NoResponse, Purpose, ResponseMeaning, Verdict
from router.timeline.entries import HttpAttempt, StateChange
from schemas.results import Reason
from schemas.vocabulary import Phase
from tests.builders.runs import NOON, a_run
from tests.builders.spokes import a_profile
from tests.fakes.run_store import InMemoryTimelines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from router.timeline.entries import TimelineEntry

POST = Call(purpose=Purpose.SEND, method="POST", path="/serviceTest", body=b'{"password": "hunter2"}')


class TimelinesWithOutages(InMemoryTimelines):
    """Fails as often as it is told."""

    def __init__(self, outages: int = 0) -> None:
        super().__init__()
        self.outages = outages

    async def append(self, entries: Mapping[str, Sequence[TimelineEntry]]) -> None:
        if self.outages:
            self.outages -= 1
            raise StoreUnavailableError("away")
        await super().append(entries)


def observed(response: HttpResponse | NoResponse, *, keep_bodies: bool = False, run_id: str = "TR1") -> ObservedCall:
    meaning = ResponseMeaning(verdict=Verdict.REFUSED, reasons=(Reason(code="60", message="no"),))
    ended = NOON + timedelta(seconds=1.5)
    return ObservedCall((run_id,), a_profile(keep_bodies=keep_bodies), POST, response, meaning, NOON, ended)


def a_recorder(store: InMemoryTimelines) -> tuple[TimelineRecorder, list[str], list[int]]:
    warnings: list[str] = []
    dropped: list[int] = []
    return TimelineRecorder(store, warn=warnings.append, on_dropped=dropped.append), warnings, dropped


async def test_an_attempt_has_what_was_sent_and_what_came_of_it() -> None:
    store = InMemoryTimelines()
    timelines, _, _ = a_recorder(store)
    timelines.call_made(observed(HttpResponse(status=400, body=b'{"token": "hunter2"}')))
    timelines.call_made(observed(NoResponse(perhaps_sent=True, cause="timed out"), keep_bodies=True))
    await timelines.flush()
    first, second = store.entries["TR1"]
    assert isinstance(first, HttpAttempt)
    assert isinstance(second, HttpAttempt)
    assert (first.method, first.url, first.status) == ("POST", "http://127.0.0.1:8701/v4/serviceTest", 400)
    assert (first.seconds, first.verdict, first.codes) == (1.5, Verdict.REFUSED, ("60",))
    assert (first.request_body, first.response_body) == (None, None)
    assert first.request_digest == second.request_digest != first.response_digest
    assert (first.profile_digest, second.profile_digest) == (
        a_profile(keep_bodies=False).digest,
        a_profile(keep_bodies=True).digest,
    )
    assert (second.status, second.failure, second.request_body) == (None, "timed out", '{"password": "***"}')


async def test_a_row_is_recorded_only_when_its_phase_or_state_changes() -> None:
    store = InMemoryTimelines()
    timelines, _, _ = a_recorder(store)
    routed, accepted = a_run("TR1"), a_run("TR1", phase=Phase.ACCEPTED)
    timelines.row_stored(None, routed)
    timelines.row_stored(routed, routed)
    timelines.row_stored(routed, accepted)
    await timelines.flush()
    changes = [entry for entry in store.entries["TR1"] if isinstance(entry, StateChange)]
    assert [entry.phase for entry in changes] == [Phase.ROUTED, Phase.ACCEPTED]


async def test_entries_wait_during_an_outage_in_order() -> None:
    store = TimelinesWithOutages(outages=2)
    timelines, warnings, dropped = a_recorder(store)
    for status in (500, 501):
        timelines.call_made(observed(HttpResponse(status=status)))
    await timelines.flush()
    timelines.call_made(observed(HttpResponse(status=502)))
    await timelines.flush()
    assert (store.entries, len(warnings)) == ({}, 1)
    await timelines.flush()
    assert [entry.status for entry in store.entries["TR1"] if isinstance(entry, HttpAttempt)] == [500, 501, 502]
    assert dropped == []


async def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MAX_WAITING", 3)
    store = InMemoryTimelines()
    timelines, _, dropped = a_recorder(store)
    for number in range(5):
        timelines.call_made(observed(HttpResponse(status=500), run_id=f"TR{number}"))
    await timelines.flush()
    assert list(store.entries) == ["TR2", "TR3", "TR4"]
    assert dropped == [1, 1]


async def test_a_call_about_no_run_is_not_recorded() -> None:
    store = InMemoryTimelines()
    timelines, _, _ = a_recorder(store)
    timelines.call_made(observed(HttpResponse(status=200))._replace(run_ids=()))
    await timelines.flush()
    assert store.entries == {}
