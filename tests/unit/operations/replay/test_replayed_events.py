"""What the gateway does with replayed events: nothing twice, and what the dry run says."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from consumers.routing.decide import AllDefinitionsUsedUp
from consumers.store.sql_store import open_store
from producers.publisher import Message
from router.recovery.differences import differences
from router.responses import Purpose
from router.runs.run import replace
from router.runs.transitions import ENDED_PHASES
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.inbound import InboundReceived
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.problem import Problem
from schemas.results import RunResult, RunUpdate
from schemas.vocabulary import Phase, RunState, UpdateKind
from southbound.operations.replay.forecast import Effect, Forecast, forecast, run_of
from southbound.operations.replay.replay_note import ReplayKind, ReplayNote
from southbound.operations.replay.selection import Selection
from southbound.operations.replay.store_reader import open_store_reader
from southbound.operations.replay.stored_items import stored_events, stored_items
from southbound.settings.settings import Settings, StoreSettings
from tests.builders.runs import NOON, a_document, a_tree
from tests.fakes.external_system import CallFault
from tests.harness.crash_scenarios import SCENARIOS, CrashScenario, run_scenario
from tests.harness.crashing_gateway import CrashPoint
from tests.harness.gateway import TOPIC_ORDER, InMemoryGateway

if TYPE_CHECKING:
    from pathlib import Path

    from consumers.runtime.handler import Record
    from router.runs.run import RunRow

MARK = (("southbound-replay", b"replay-1"), ("southbound-replay-of", b"t-0-1"))


def replay(gateway: InMemoryGateway, record: Record) -> None:
    """Append a record to its topic again, as a replay does."""
    kept = [one for one in record.headers if not one[0].startswith("southbound-replay")]
    gateway.produce_bytes(record.partition.topic, record.value, (*kept, *MARK), key=record.key)


def recorded(gateway: InMemoryGateway) -> list[Record]:
    """Return what was processed, one topic after the other."""
    return [record for topic in TOPIC_ORDER for record in gateway.finished if record.partition.topic == topic]


def forecast_of(gateway: InMemoryGateway, record: Record) -> Forecast:
    """Return what the dry run says about a record now."""
    event = gateway.envelope.decode(record.value, record.headers, fallback_id="none")
    if isinstance(event.data, InboundReceived):
        found = [row for row in gateway.store.runs.values() if row.external_id == event.data.external_id]
        return forecast(event, found[0] if found else None, gateway.decide.decide)
    return forecast(event, gateway.store.runs.get(run_of(event)), gateway.decide.decide)


def calls(gateway: InMemoryGateway) -> Counter[str]:
    """Count the calls that change something."""
    made = gateway.system.calls_made(Purpose.SEND, Purpose.CHANGE, Purpose.CANCEL)
    return Counter(f"{call.method} {call.path} {call.body!r}" for call in made)


def is_settled(row: RunRow) -> bool:
    return row.phase in ENDED_PHASES or row.accepted_at is not None


@settings(max_examples=100, deadline=None)
@given(SCENARIOS, st.data())
def test_replaying_anything_sends_no_accepted_run_twice_and_changes_no_ended_one(
    scenario: CrashScenario, data: st.DataObject
) -> None:
    gateway = asyncio.run(run_scenario(scenario, CrashPoint()))
    known, before = dict(gateway.store.runs), len(gateway.publisher.published)
    posted = Counter(name.split()[-1] for name in gateway.system.posted_names())
    said = {event.id for event in gateway.published_events()}
    records = recorded(gateway)
    chosen = data.draw(st.lists(st.integers(0, len(records) - 1), unique=True).map(sorted)) if records else []
    for index in chosen:
        replay(gateway, records[index])
    asyncio.run(gateway.run_until_idle())
    again = Counter(name.split()[-1] for name in gateway.system.posted_names())
    for run_id, row in known.items():
        now = gateway.store.runs[run_id]
        if is_settled(row):
            assert again[run_id] == posted[run_id]
        if row.phase in ENDED_PHASES and not any(is_report_of(gateway, records[index], row) for index in chosen):
            assert differences(run_id, row, now) == ()
    for event in gateway.published_events()[before:]:
        if isinstance(event.data, RunUpdate | RunResult) and event.data.run_id in known and event.data.revision:
            is_newer = event.data.revision > known[event.data.run_id].revision
            assert event.id in said or is_newer


def is_report_of(gateway: InMemoryGateway, record: Record, row: RunRow) -> bool:
    event = gateway.envelope.decode(record.value, record.headers, fallback_id="none")
    return isinstance(event.data, InboundReceived) and event.data.external_id == row.external_id


@settings(max_examples=100, deadline=None)
@given(SCENARIOS)
def test_a_lost_store_and_a_replay_of_the_lifecycle_lead_to_no_second_post_of_what_was_accepted(
    scenario: CrashScenario,
) -> None:
    gateway = asyncio.run(run_scenario(scenario, CrashPoint()))
    accepted = {row.run_id for row in gateway.store.runs.values() if row.accepted_at is not None}
    posted = Counter(name.split()[-1] for name in gateway.system.posted_names())
    records = [record for record in recorded(gateway) if record.partition.topic == gateway.names.lifecycle]
    gateway.store.runs.clear()
    gateway.store.requests.clear()
    for record in records:
        replay(gateway, record)
    asyncio.run(gateway.run_until_idle())
    again = Counter(name.split()[-1] for name in gateway.system.posted_names())
    assert {run_id: again[run_id] for run_id in accepted} == {run_id: posted[run_id] for run_id in accepted}


@settings(max_examples=100, deadline=None)
@given(SCENARIOS)
def test_the_dry_run_is_right_about_nothing_and_about_dead_letters(scenario: CrashScenario) -> None:
    gateway = asyncio.run(run_scenario(scenario, CrashPoint()))
    for record in recorded(gateway):
        found = forecast_of(gateway, record)
        before, letters = calls(gateway), len(gateway.dead_lettered)
        replay(gateway, record)
        asyncio.run(gateway.run_until_idle())
        if found.effect is Effect.NOTHING:
            assert (calls(gateway), len(gateway.dead_lettered)) == (before, letters), found
        if found.effect is Effect.DEAD_LETTER:
            assert len(gateway.dead_lettered) > letters, found
            assert found.sentence.startswith(gateway.dead_letter_codes()[letters])


@settings(max_examples=100, deadline=None)
@given(SCENARIOS)
def test_the_store_has_what_was_published_last_under_its_id(scenario: CrashScenario) -> None:
    gateway = asyncio.run(run_scenario(scenario, CrashPoint()))
    said = {event.id: event.data for event in gateway.published_events()}
    rows = gateway.store.runs.values()
    for row in rows:
        request = [one for one in rows if one.request_id == row.request_id]
        for event in stored_events(row, request):
            assert said[event.id] == event.data


def test_of_a_rebuilt_run_only_the_results_are_known_and_the_others_are_counted(tmp_path: Path) -> None:
    gateway = InMemoryGateway()
    asyncio.run(gateway.process_request(a_document()))
    row = replace(gateway.row(), phase=Phase.FULFILLED, state=RunState.COMPLETED, finished_at=NOON)
    known, rebuilt = row, replace(row, run_id="TR2", request_id="RQ2", last_notification=None)
    store = StoreSettings(url=SecretStr(f"sqlite:///{tmp_path}/runs.db"))

    async def fill() -> None:
        opened = await open_store(store.url.get_secret_value())
        await opened.save(replace(known, revision=1), replace(rebuilt, revision=1, external_id="X2"))
        await opened.close()

    asyncio.run(fill())
    forgotten = Counter[str]()
    selection = Selection(topics=("testrun.inflight", "testrun.results"))
    note = ReplayNote(id="replay-1", kind=ReplayKind.STORED, by="ann", at=NOON, comment="", selection=selection)

    def to_message(event: Event) -> Message:
        return Message("testrun.results", b"k", type(event.data).__name__.encode(), ())

    with open_store_reader(Settings(store=store)) as reader:
        items = list(stored_items(reader, note, to_message, forgotten.update))
    assert [item.run_id for item in items] == [known.run_id, "TR2"]
    assert b"RunUpdate" not in {message.value for message in items[1].messages}
    assert b"RunResult" in {message.value for message in items[1].messages}
    assert forgotten == {"fulfilled": 1}


async def test_a_replay_does_not_vouch_for_a_run_in_doubt_as_a_redrive_does() -> None:
    gateway = InMemoryGateway(profile={"look_up": "none"})
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_request(a_document())
    record = gateway.dead_lettered[0][0]
    assert forecast_of(gateway, record).effect is Effect.SEND
    replay(gateway, record)
    await gateway.run_until_idle()
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    assert gateway.dead_letter_codes() == ["IN_DOUBT", "IN_DOUBT"]
    assert gateway.updates().count(UpdateKind.FALLOUT) >= 1
    assert gateway.row().phase is Phase.FALLOUT


async def test_a_run_that_the_store_lost_is_looked_up_and_adopted() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    request = gateway.finished[0]
    gateway.store.runs.clear()
    gateway.store.requests.clear()
    found = forecast_of(gateway, request)
    assert (found.effect, found.spoke, found.command) == (Effect.SEND, "fibre-lab", "SendRun")
    assert [reference.partition("#")[2] for reference in found.decision.split(", ")] == ["R3", "S1"]
    replay(gateway, request)
    await gateway.run_until_idle()
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    assert (gateway.row().phase, gateway.row().external_id) == (Phase.ACCEPTED, "ext-TR0001")


# What the dry run says


def said_of(
    data: RunRequested | RunChanged | RunCancelled,
    row: RunRow | None = None,
    *,
    gateway: InMemoryGateway | None = None,
    before: bool = False,
) -> tuple[str, str, str]:
    gateway = gateway or InMemoryGateway()
    event = gateway.envelope.decode(*gateway.envelope.encode(an_event(data)), fallback_id="none")
    found = forecast(event, row, gateway.decide.decide, is_requested_before=before)
    return found.effect.value, found.command, found.sentence.split(":")[0]


def an_event(data: RunRequested | RunChanged | RunCancelled) -> Event:
    return Event(headers=EventHeaders(id="E1"), data=data)


def test_new_requests_are_decided_by_the_tables() -> None:
    assert said_of(RunRequested(run=a_document()))[:2] == ("send", "SendRun")
    assert said_of(RunRequested(run=a_tree(children=2)))[:2] == ("send", "SendRun for 3 runs")
    assert said_of(RunRequested(run=a_tree(children=2, spec="fibre-bundle")))[:2] == ("send", "SendRun")
    assert said_of(RunRequested(run=a_document(spec="unplanned")))[::2] == ("dead letter", "NO_ROW_MATCHES")
    assert said_of(RunRequested(run=a_document("C", parent="R")))[0] == "wait"
    listed = a_document("G", spec="fibre-tree", child_run_ids=("G-1",))
    assert said_of(RunRequested(run=listed))[0] == "wait"
    assert said_of(RunRequested(run=a_document()), before=True)[0] == "nothing"


def test_what_follows_a_request_of_the_same_replay_is_no_dead_letter() -> None:
    change = RunChanged(run=a_document(version=2))
    cancel = RunCancelled(run_id="TR0001", root_run_id="TR0001")
    assert [said_of(each)[::2] for each in (change, cancel)] == [("dead letter", "UNKNOWN_RUN")] * 2
    assert [said_of(each, before=True)[0] for each in (change, cancel)] == ["change", "cancel"]


async def test_a_known_run_is_changed_and_cancelled_once() -> None:
    gateway = InMemoryGateway(profile={"patchable": ["description"]})
    await gateway.process_request(a_document())
    row = gateway.row()
    assert said_of(RunRequested(run=a_document()), row)[0] == "nothing"
    assert said_of(RunRequested(run=a_document(description="other")), row)[::2] == ("dead letter", "RUN_EXISTS")
    newer = RunChanged(run=a_document(version=2, description="new"))
    assert said_of(newer, row)[:2] == ("change", "ChangeRun")
    cancel = RunCancelled(run_id="TR0001", root_run_id="TR0001")
    assert said_of(cancel, row)[:2] == ("cancel", "CancelRun")
    ended = replace(row, phase=Phase.CANCELLED)
    assert said_of(cancel, ended)[0] == "nothing"


async def test_a_part_of_a_pending_root_is_changed_there() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_tree(children=1))
    root = replace(gateway.row(), decision=None, phase=Phase.WAITING, requested=a_tree(children=1))
    cancel = an_event(RunCancelled(run_id="TR0001-1", root_run_id="TR0001"))
    assert forecast(cancel, None, gateway.decide.decide, root=root).effect is Effect.WAIT
    other = an_event(RunCancelled(run_id="TR0001-7", root_run_id="TR0001"))
    assert forecast(other, None, gateway.decide.decide, root=root).effect is Effect.DEAD_LETTER


async def test_queued_requests_wait() -> None:
    queued = AllDefinitionsUsedUp(definitions=())
    event = an_event(RunRequested(run=a_document()))
    assert forecast(event, None, lambda _: queued).effect is Effect.WAIT
    problem = Problem(code="X", sentence="It is wrong.")
    assert forecast(event, None, lambda _: problem).sentence == "X: It is wrong."


@pytest.mark.parametrize("phase", [Phase.CREATED, Phase.WAITING])
def test_a_pending_run_waits_on(phase: Phase) -> None:
    gateway = InMemoryGateway()
    asyncio.run(gateway.process_request(a_document()))
    row = replace(gateway.row(), decision=None, phase=phase)
    assert said_of(RunRequested(run=a_document()), row)[0] == "wait"
