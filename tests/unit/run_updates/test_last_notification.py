"""What is published again is published as it was at first, by the event that led to it, under an id of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.run_updates.acknowledgements import MAX_REPUBLISHED, Acknowledgements
from consumers.runtime.handler import RetryLater
from router.responses import Purpose
from router.runs.notifications.build import build_result, build_update
from router.runs.notifications.last_notification import last_notifications, remember_notifications
from router.runs.run import replace
from schemas.lifecycle import RunChanged, RunRequested
from schemas.results import Reason, RunResult, RunUpdate
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import a_document, a_run
from tests.fakes.external_system import NO_RESPONSE, json_answer
from tests.generators.run_rows import measures, run_rows
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.runtime.handler import Outcome
    from consumers.spokes.port import Call
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.results import ReportedMeasure

SPEED = {"id": "TM1", "metricName": "metric TM1", "value": {"value": 93.5}}
LATER = {"id": "TM1", "metricName": "metric TM1", "value": {"value": 12.25}}
REFUSED = json_answer(400, {"code": "21", "reason": "no such line"})


async def an_ended_run() -> InMemoryGateway:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(measures=("TM1",)))
    await gateway.process_callback("ext-TR0001", "the end", state="completed", testMeasure=[SPEED])
    return gateway


def notifications(gateway: InMemoryGateway) -> list[Event]:
    return [event for event in gateway.published_events() if isinstance(event.data, RunUpdate | RunResult)]


def assert_ids_name_one_content(gateway: InMemoryGateway) -> None:
    contents: dict[str, object] = {}
    for event in gateway.published_events():
        assert contents.setdefault(event.id, event.data) == event.data


async def test_fault_one_late_report_and_a_callback_that_is_repeated_50_times_add_one_update() -> None:
    gateway = await an_ended_run()
    before = len(gateway.results()) + len(gateway.request_results())
    await gateway.process_callback("ext-TR0001", "late", state="failed", testMeasure=[SPEED])
    for event_id in ("the end", "late") * 50:
        state = "completed" if event_id == "the end" else "failed"
        await gateway.process_callback("ext-TR0001", event_id, state=state, testMeasure=[SPEED])
    assert len(gateway.results()) + len(gateway.request_results()) == before == 2
    assert gateway.updates().count(UpdateKind.STALE) == 1


async def test_each_process_publishes_a_repeated_notification_once_more_at_most_and_as_it_was() -> None:
    gateway = await an_ended_run()
    first = notifications(gateway)[-1]
    gateway.acknowledgements = Acknowledgements()
    for _ in range(50):
        await gateway.process_callback("ext-TR0001", "the end", state="completed", testMeasure=[SPEED])
    assert [(event.id, event.data) for event in notifications(gateway)[-2:]] == [(first.id, first.data)] * 2
    assert len(gateway.results()) == 2
    assert len({event.id for event in gateway.published_events() if event.id == first.id}) == 1


async def test_late_measures_publish_the_result_again_and_the_requests_result_only_if_it_changes() -> None:
    gateway = await an_ended_run()
    await gateway.process_callback("ext-TR0001", "late", state="completed", testMeasure=[LATER])
    assert len(gateway.results()) == 2
    assert len(gateway.request_results()) == 1
    assert_ids_name_one_content(gateway)


class Crash:
    """A process that stores what an event led to, and ends before Kafka has it."""

    def __init__(self, gateway: InMemoryGateway) -> None:
        self.gateway = gateway
        self.topics = (gateway.names.inflight, gateway.names.results)

    def begin(self) -> None:
        for topic in self.topics:
            self.gateway.publisher.fail_topic(topic)

    def end(self) -> None:
        for topic in self.topics:
            self.gateway.publisher.restore_topic(topic)
        self.gateway.acknowledgements = Acknowledgements()


async def _in_doubt(gateway: InMemoryGateway) -> str:
    gateway.system.plan(Purpose.SEND, NO_RESPONSE)
    gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document()), "request")
    await gateway.process_next(gateway.names.lifecycle)
    return gateway.names.dispatch("fibre-lab")


async def _change_refused(gateway: InMemoryGateway) -> str:
    await gateway.process_request(a_document())
    gateway.system.plan(Purpose.CHANGE, REFUSED)
    gateway.profile = {"patchable": ["description"]}
    changed = a_document(version=2, description="new")
    gateway.produce(gateway.names.lifecycle, RunChanged(run=changed), "change")
    await gateway.process_next(gateway.names.lifecycle)
    return gateway.names.dispatch("fibre-lab")


async def _change_refused_at_once(gateway: InMemoryGateway) -> str:
    await gateway.process_request(a_document(version=3))
    gateway.produce(gateway.names.lifecycle, RunChanged(run=a_document(version=2)), "change")
    return gateway.names.lifecycle


async def _late_measures(gateway: InMemoryGateway) -> str:
    await gateway.process_request(a_document(measures=("TM1",)))
    await gateway.process_callback("ext-TR0001", "the end", state="completed", testMeasure=[SPEED])
    gateway.produce(
        gateway.names.inbound, gateway.a_callback("ext-TR0001", state="failed", testMeasure=[LATER]), "late"
    )
    return gateway.names.inbound


CASES = {
    "in doubt": (_in_doubt, UpdateKind.IN_DOUBT),
    "change refused by the system": (_change_refused, UpdateKind.CHANGE_REFUSED),
    "change refused by us": (_change_refused_at_once, UpdateKind.CHANGE_REFUSED),
    "late measures": (_late_measures, UpdateKind.STALE),
}


@pytest.mark.parametrize("case", CASES)
async def test_fault_what_is_published_again_after_a_crash_keeps_its_reasons_revision_and_measures(case: str) -> None:
    prepare, kind = CASES[case]
    gateway = InMemoryGateway()
    topic = await prepare(gateway)
    crash = Crash(gateway)
    crash.begin()
    await gateway.attempt_next(topic)
    assert kind not in gateway.updates()
    stored = [each for each in last_notifications(gateway.row()) if isinstance(each, RunUpdate)]
    crash.end()
    await gateway.attempt_next(topic)
    published = [event.data for event in notifications(gateway) if isinstance(event.data, RunUpdate)]
    published = [each for each in published if each.kind is kind]
    assert published == stored
    assert published[0].reasons
    assert bool(published[0].test_measure) is (case == "late measures")
    await gateway.run_until_idle()
    assert_ids_name_one_content(gateway)


async def accepted_and_not_published() -> InMemoryGateway:
    gateway = InMemoryGateway()
    gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document()), "request")
    await gateway.process_next(gateway.names.lifecycle)
    crash = Crash(gateway)
    crash.begin()
    await gateway.attempt_next(gateway.names.dispatch("fibre-lab"))
    crash.end()
    assert gateway.row().phase is Phase.ACCEPTED
    return gateway


async def test_what_another_process_stored_and_did_not_publish_is_published_before_what_follows() -> None:
    gateway = await accepted_and_not_published()
    gateway.produce(gateway.names.inbound, gateway.a_callback("ext-TR0001", state="inProgress"), "progress")
    await gateway.attempt_next(gateway.names.inbound)
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.PROGRESS]
    gateway.acknowledgements = Acknowledgements()
    await gateway.run_until_idle()  # the command is delivered again
    revisions = [event.data.revision for event in notifications(gateway) if isinstance(event.data, RunUpdate)]
    assert revisions == sorted(revisions)
    assert len({event.id for event in notifications(gateway)}) == 2


async def test_what_cannot_be_published_is_not_replaced_by_what_follows() -> None:
    gateway = await accepted_and_not_published()
    before = gateway.row()
    gateway.publisher.fail_topic(gateway.names.inflight)
    gateway.produce(gateway.names.inbound, gateway.a_callback("ext-TR0001", state="inProgress"), "progress")
    outcome = await gateway.attempt_next(gateway.names.inbound)
    assert isinstance(outcome, RetryLater)
    assert gateway.row() == before


async def accepted_and_not_acknowledged(gateway: InMemoryGateway) -> asyncio.Future[Outcome]:
    """Send a run; return the attempt, which waits for Kafka."""

    async def block(_: Call) -> None:
        gateway.publisher.block()

    gateway.system.on_call = block
    attempt = asyncio.ensure_future(gateway.attempt_next(gateway.names.dispatch("fibre-lab")))
    for _ in range(100):
        await asyncio.sleep(0)
    assert gateway.row().phase is Phase.ACCEPTED
    assert len(gateway.publisher.waiting) == 1
    return attempt


async def test_two_processes_that_publish_updates_of_one_run_at_the_same_time_keep_its_order() -> None:
    gateway = InMemoryGateway()
    gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document()), "request")
    await gateway.process_next(gateway.names.lifecycle)
    first = await accepted_and_not_acknowledged(gateway)
    gateway.acknowledgements = Acknowledgements()
    gateway.produce(gateway.names.inbound, gateway.a_callback("ext-TR0001", state="inProgress"), "progress")
    second = asyncio.ensure_future(gateway.attempt_next(gateway.names.inbound))
    for _ in range(50):
        await asyncio.sleep(0)
    gateway.publisher.unblock()
    await asyncio.gather(first, second)
    revisions = [event.data.revision for event in notifications(gateway) if isinstance(event.data, RunUpdate)]
    assert revisions == sorted(revisions)
    assert_ids_name_one_content(gateway)


async def test_one_process_waits_for_its_own_acknowledgement_instead_of_publishing_twice() -> None:
    gateway = InMemoryGateway()
    gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document()), "request")
    await gateway.process_next(gateway.names.lifecycle)
    first = await accepted_and_not_acknowledged(gateway)
    gateway.produce(gateway.names.inbound, gateway.a_callback("ext-TR0001", state="inProgress"), "progress")
    second = asyncio.ensure_future(gateway.attempt_next(gateway.names.inbound))
    for _ in range(50):
        await asyncio.sleep(0)
    gateway.publisher.unblock()
    await asyncio.gather(first, second)
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.PROGRESS]


async def test_two_changes_with_one_event_id_are_both_made_and_commanded_under_two_ids() -> None:
    gateway = InMemoryGateway(profile={"patchable": ["description"]})
    await gateway.process_request(a_document())
    for version in (3, 4):
        await gateway.process_change(a_document(version=version, description=f"v{version}"), "one id")
    await gateway.process_change(a_document(version=3, description="v3"), "one id")
    await gateway.process_change(a_document(version=2), "another id")
    await gateway.process_change(a_document(version=1), "another id")
    assert gateway.row().accepted_version == 4
    assert gateway.updates().count(UpdateKind.CHANGE_ACCEPTED) == 2
    assert gateway.updates().count(UpdateKind.CHANGE_REFUSED) == 2
    assert_ids_name_one_content(gateway)


async def test_two_updates_of_one_kind_in_one_step_have_two_ids() -> None:
    gateway = InMemoryGateway(profile={"lost_after": 60})
    await gateway.process_request(a_document())
    gateway.system.tests.clear()
    await gateway.process_callback("ext-TR0001", "gone", state="pending")
    row = gateway.row()
    lost = Reason(code="LOST", message="gone")
    gateway.store.runs["TR0001"] = replace(row, phase=Phase.FAILED, state=RunState.FAILED, reasons=(lost,), watch=None)
    await gateway.process_callback("ext-TR0001", "back", state="inProgress")
    assert gateway.updates()[-2:] == [UpdateKind.PROGRESS] * 2
    assert_ids_name_one_content(gateway)


async def test_a_row_of_an_earlier_version_publishes_its_result_again_after_a_crash() -> None:
    gateway = await an_ended_run()
    gateway.store.runs["TR0001"] = replace(gateway.row(), last_notification=None)
    for _ in range(3):
        await gateway.process_callback("ext-TR0001", "the end", state="completed", testMeasure=[SPEED])
    assert len(gateway.results()) == 2


@given(run_rows(), st.lists(st.sampled_from(UpdateKind), max_size=3), st.lists(measures, max_size=2), st.booleans())
def test_what_is_kept_is_what_was_published(
    row: RunRow,
    kinds: list[UpdateKind],
    late: list[ReportedMeasure],
    ends: bool,  # noqa: FBT001 - drawn
) -> None:
    published: Sequence[RunUpdate | RunResult] = [
        build_update(row, kind, row.reasons).model_copy(update={"test_measure": tuple(late)}) for kind in kinds
    ]
    published = [*published, build_result(row)] if ends else published
    kept = remember_notifications(replace(row, last_notification=None), published, cause="cause", process_id="process")
    assert last_notifications(kept) == published
    assert (kept.last_notification is None) is (not published)


def test_what_other_processes_published_is_remembered_within_bounds() -> None:
    acknowledgements = Acknowledgements()
    rows = [published_by_another(f"TR{number}") for number in range(MAX_REPUBLISHED + 1)]
    assert not acknowledgements.is_acknowledged(rows[1])
    acknowledgements.acknowledge(rows)
    assert acknowledgements.is_acknowledged(rows[1])
    assert not acknowledgements.is_acknowledged(rows[0])


def published_by_another(run_id: str) -> RunRow:
    row = a_run(run_id)
    return remember_notifications(
        row, [build_update(row, UpdateKind.PROGRESS)], cause="cause", process_id="another process"
    )
