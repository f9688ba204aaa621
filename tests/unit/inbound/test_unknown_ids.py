"""Reports about unknown external ids hold up neither each other nor their partition."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.inbound.report_handler import MAX_BEHIND, MAX_RETRY_INTERVAL, MIN_ATTEMPTS
from consumers.inbound.unknown_ids import FORGOTTEN_AFTER, UnknownIds
from consumers.runtime.handler import Attempt, DeadLetter, Done, RetryLater
from tests.builders.runs import NOON, a_document
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.runtime.handler import Outcome, Record


def a_report(gateway: InMemoryGateway, external_id: str, number: int = 0) -> Record:
    callback = gateway.a_callback(external_id, state="inProgress")
    return gateway.produce(gateway.names.inbound, callback, f"{external_id} {number}")


async def attempt_until_end(gateway: InMemoryGateway, record: Record, behind: int = 0) -> tuple[Outcome, float]:
    """Make attempts until the record does not wait any longer; return the last outcome and the seconds."""
    seconds, number = 0.0, 1
    while True:
        outcome = await gateway.attempt_with(record, Attempt(number, seconds, behind))
        if not isinstance(outcome, RetryLater):
            return outcome, seconds
        seconds, number = seconds + outcome.delay, number + 1
        gateway.clock.at += timedelta(seconds=outcome.delay)


async def test_a_thousand_old_reports_about_one_unknown_id_wait_once() -> None:
    gateway = InMemoryGateway()
    reports = [a_report(gateway, "ext-404", number) for number in range(1_000)]
    gateway.clock.at += timedelta(hours=1)
    waits = [(await attempt_until_end(gateway, report))[1] for report in reports]
    assert waits[0] > 0
    assert waits[1:] == [0.0] * 999


async def test_a_report_is_retried_with_growing_pauses() -> None:
    gateway = InMemoryGateway()
    report = a_report(gateway, "ext-404")
    pauses = [await gateway.attempt_with(report, Attempt(1, float(seconds))) for seconds in (0, 1, 8, 1_000)]
    assert [pause.delay for pause in pauses if isinstance(pause, RetryLater)] == [0.5, 0.5, 2.0, MAX_RETRY_INTERVAL]


async def test_the_oldest_of_many_reports_about_one_unknown_id_gives_way_before_it_is_old() -> None:
    gateway = InMemoryGateway(max_report_age=3600.0)
    outcome, seconds = await attempt_until_end(gateway, a_report(gateway, "ext-404"), behind=MAX_BEHIND)
    assert isinstance(outcome, DeadLetter)
    assert seconds < 60
    outcome = await gateway.attempt_with(a_report(gateway, "ext-404", 2), Attempt(1, 0.0, MAX_BEHIND - 1))
    assert isinstance(outcome, RetryLater)


async def test_reports_about_unknown_ids_give_way_when_their_partition_has_no_room() -> None:
    gateway = InMemoryGateway(max_report_age=3600.0)
    report = a_report(gateway, "ext-404")
    outcomes = [await gateway.attempt_with(report, Attempt(n, 0.0, crowded=True)) for n in range(1, MIN_ATTEMPTS + 1)]
    assert [type(outcome) for outcome in outcomes] == [RetryLater] * (MIN_ATTEMPTS - 1) + [DeadLetter]


async def test_an_outage_of_the_run_store_does_not_count_as_a_search() -> None:
    """The store was away for longer than a report waits; the command that learns the id was as well."""
    gateway = InMemoryGateway(max_report_age=60.0)
    early = a_report(gateway, "ext-TR0001")
    assert isinstance(await gateway.attempt(early), RetryLater)
    gateway.clock.at += timedelta(seconds=90)
    for search in range(MIN_ATTEMPTS + 3):  # ten attempts before them failed with STORE_UNAVAILABLE
        assert isinstance(await gateway.attempt_with(early, Attempt(12 + search, 90.0 + search)), RetryLater)
        gateway.clock.at += timedelta(seconds=2.5)
    await gateway.process_request(a_document())
    assert isinstance(await gateway.attempt_with(early, Attempt(40, 130.0)), Done)
    assert not gateway.dead_lettered


async def test_more_ids_than_may_wait_are_dead_letters_at_once() -> None:
    gateway = InMemoryGateway(unknown_ids=UnknownIds(max_ids=3))
    outcomes = [await gateway.attempt(a_report(gateway, f"ext-{number}")) for number in range(5)]
    assert [type(outcome) for outcome in outcomes] == [RetryLater] * 3 + [DeadLetter] * 2
    assert isinstance(outcomes[-1], DeadLetter)
    assert outcomes[-1].problem.code == "REPORT_WITHOUT_RUN"
    assert "ext-4" in outcomes[-1].problem.sentence


async def test_a_report_whose_run_becomes_known_makes_room_for_another() -> None:
    gateway = InMemoryGateway(unknown_ids=UnknownIds(max_ids=1))
    early = a_report(gateway, "ext-TR0001")
    assert isinstance(await gateway.attempt(early), RetryLater)
    assert isinstance(await gateway.attempt(a_report(gateway, "ext-404")), DeadLetter)
    await gateway.process_request(a_document())
    assert isinstance(await gateway.attempt(a_report(gateway, "ext-405")), RetryLater)


def test_ids_of_one_spoke_take_no_room_of_another() -> None:
    ids = UnknownIds(max_ids=1)
    assert ids.count_look_up("fibre-lab", "1", NOON) == 1
    assert ids.count_look_up("fibre-lab", "2", NOON) is None
    assert ids.count_look_up("copper-lab", "2", NOON) == 1
    assert ids.count_look_up("fibre-lab", "1", NOON) == 2


def test_ids_that_nobody_asks_for_any_more_make_room() -> None:
    ids = UnknownIds(max_ids=1)
    ids.count_look_up("fibre-lab", "1", NOON)
    assert ids.count_look_up("fibre-lab", "2", NOON + FORGOTTEN_AFTER) == 1


def test_an_id_that_was_given_up_makes_room_and_is_remembered() -> None:
    ids = UnknownIds(max_ids=1)
    ids.count_look_up("fibre-lab", "1", NOON)
    ids.give_up("fibre-lab", "1")
    assert ids.count_look_up("fibre-lab", "1", NOON) == 2
    ids.give_up("fibre-lab", "1")
    assert ids.count_look_up("fibre-lab", "2", NOON) == 1
