"""Repeated, early and unrelated notifications: every run still ends exactly once."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

from schemas.results import RunUpdate
from schemas.vocabulary import RunState, UpdateKind
from southbound.settings.settings import WorkerSettings
from southbound.simulator.behaviours import completes_by_callback, stays_pending
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.fixtures.service import ServiceUnderTest

NotificationJson = dict[str, object]
RESULT = "southbound.RunResult"


def a_notification(external_id: str, event_id: str = "N1", state: str = "completed") -> NotificationJson:
    """Return a complete notification."""
    measure = {"id": "TM1", "metricName": "speed", "value": {"value": 93.5}}
    test = {"id": external_id, "name": "Line test", "state": state, "testMeasure": [measure]}
    return {"eventId": event_id, "eventType": "ServiceTestStateChangeEvent", "event": {"serviceTest": test}}


async def wait_for_external_id(service: ServiceUnderTest, run_id: str) -> str:
    """Wait until the run is accepted, and return its external id."""
    external_ids = await service.wait_until(
        lambda: [u.external_id for u in service.updates(run_id) if u.external_id], run_id
    )
    return str(external_ids[0])


@asynccontextmanager
async def a_notification_client(service: ServiceUnderTest) -> AsyncIterator[NotificationClient]:
    async with aiohttp.ClientSession() as session:
        yield NotificationClient(session, f"http://127.0.0.1:{service.settings.listener.port}/fibre-lab/listener")


class NotificationClient:
    """Sends notifications by hand."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def send_all(self, *notices: NotificationJson) -> list[int]:
        """Send all at the same time; return the statuses of the responses."""
        return await asyncio.gather(*map(self._post, notices))

    async def _post(self, notice: NotificationJson) -> int:
        async with self._session.post(self._url, json=notice) as answer:
            return answer.status


async def test_the_same_notification_two_hundred_times_at_once_ends_its_run_once(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    script = Script(default=stays_pending(None))
    async with a_service(kafka_bootstrap, tmp_path, script=script) as service, a_notification_client(service) as lab:
        await service.request(a_document("STORM"), a_document("AFTER"))
        storm, after = [await wait_for_external_id(service, run) for run in ("STORM", "AFTER")]
        assert Counter(await lab.send_all(*[a_notification(storm)] * 200)) == {201: 200}
        await service.result_of("STORM")
        await lab.send_all(a_notification(after, event_id="N2"))
        await service.result_of("AFTER")
        assert await service.stop()
        events = service.reader.on(service.topics.results)
        ends = [event for event in events if (event.header("ce_type"), event.header("ce_subject")) == (RESULT, "STORM")]
        assert len({event.header("ce_id") for event in ends}) == 1
        assert {result.state for result in service.results()} == {RunState.COMPLETED}
        assert service.dead_letters() == []


async def test_fault_a_late_report_and_a_callback_that_is_repeated_50_times_publish_what_one_of_each_does(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    script = Script(default=stays_pending(None))
    async with a_service(kafka_bootstrap, tmp_path, script=script) as service, a_notification_client(service) as lab:
        await service.request(a_document("REPEATED"), a_document("AFTER"))
        repeated, after = [await wait_for_external_id(service, run) for run in ("REPEATED", "AFTER")]
        end, late = a_notification(repeated), a_notification(repeated, event_id="late", state="failed")
        await lab.send_all(end)
        await service.result_of("REPEATED")
        await lab.send_all(late)
        await service.wait_until(lambda: UpdateKind.STALE in kinds(service, "REPEATED"), "the late report")
        for _ in range(50):
            assert await lab.send_all(end, late) == [201, 201]
        other = a_notification(repeated, state="cancelled")  # the eventId of another notification
        await lab.send_all(other)
        await service.wait_until(lambda: kinds(service, "REPEATED").count(UpdateKind.STALE) >= 2, "the other one")
        await lab.send_all(a_notification(after, event_id="N2"))
        await service.result_of("AFTER")
        assert await service.stop()
        about = {e.header("ce_id") for e in service.reader.on(service.topics.results) if e.key == b"REPEATED"}
        assert len(about) == 2
        told = [e for e in service.reader.on(service.topics.inflight) if e.header("ce_subject") == "REPEATED"]
        updates = {e.header("ce_id"): service.decoded(e) for e in told}  # one may be published again under its id
        revisions = [update.revision for update in updates.values() if isinstance(update, RunUpdate)]
        assert revisions == sorted(revisions)
        assert len(set(revisions)) == len(revisions) == len(updates)
        assert service.dead_letters() == []


def kinds(service: ServiceUnderTest, run_id: str) -> list[UpdateKind]:
    return [update.kind for update in service.updates(run_id)]


async def test_notifications_that_arrive_before_the_answer_to_the_post_wait_for_it(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    script = Script(default=completes_by_callback(0.2, response_delay=1.2))
    async with a_service(kafka_bootstrap, tmp_path, script=script) as service:
        runs = [f"EARLY-{n}" for n in range(20)]
        await service.request(*map(a_document, runs))
        for run in runs:
            assert (await service.result_of(run)).state is RunState.COMPLETED
        assert service.dead_letters() == []


async def test_notifications_about_unknown_runs_delay_neither_known_runs_nor_a_stop(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    script, patient = Script(default=completes_by_callback(0.1)), WorkerSettings(commit_every=0.2, drain=180)
    async with (
        a_service(kafka_bootstrap, tmp_path, script=script, worker=patient) as service,
        a_notification_client(service) as lab,
    ):
        unrelated = [a_notification(f"nobody-{n}", event_id=f"S{n}") for n in range(300)]
        assert set(await lab.send_all(*unrelated)) == {201}
        await service.request(*(a_document(f"OURS-{n}") for n in range(20)))
        for n in range(20):
            await service.result_of(f"OURS-{n}")
        async with asyncio.timeout(90):  # seconds; a drain takes twice as long
            assert await service.stop()
        assert service.dead_letters() == []  # their runs may still come, so they are not dead letters yet
