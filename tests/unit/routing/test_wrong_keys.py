"""A record whose key is not the id of its root run is processed, and told: its order is not kept."""

from __future__ import annotations

import pytest

from consumers.metrics import WRONG_KEYS, Metrics, WorkerMetrics
from consumers.run_updates.acknowledgements import Acknowledgements
from consumers.runtime.faults import ProblemReporter
from consumers.runtime.handler import DeadLetter
from schemas.lifecycle import RunRequested
from schemas.results import RunUpdate
from schemas.vocabulary import UpdateKind
from southbound.service.composition.observers import wrong_key_counter
from tests.builders.runs import a_document
from tests.harness.gateway import InMemoryGateway

WRONG = [(b"the service", "the service"), (None, "(no key)"), (b"", "(no key)"), (b"\xff\x1b[31m", "\\xff·[31m")]


async def a_gateway_with(key: bytes | None) -> InMemoryGateway:
    gateway = InMemoryGateway()
    record = gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document("TR0001")), "e1")
    gateway.take_back(record)
    gateway.produce_bytes(gateway.names.lifecycle, record.value, record.headers, key=key)
    await gateway.run_until_idle()
    await gateway.process_callback("ext-TR0001", state="completed", testMeasure=[])
    return gateway


@pytest.mark.parametrize(("key", "shown"), WRONG)
async def test_what_follows_from_a_wrong_key_says_so(key: bytes | None, shown: str) -> None:
    gateway = await a_gateway_with(key)
    until_accepted = [event for event in gateway.published_events() if event.headers.time is not None][:2]
    assert [event.headers.wrong_key for event in until_accepted] == [shown, shown]  # SendRun, and its `accepted`
    ((record, problem),) = gateway.wrong_keys
    assert record.partition.topic == gateway.names.lifecycle
    assert problem.code == "WRONG_KEY"
    assert shown in problem.sentence
    assert "root run TR0001" in problem.sentence


async def test_what_another_process_publishes_again_keeps_the_header_of_the_wrong_key() -> None:
    gateway = InMemoryGateway()
    record = gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document("TR0001")), "e1")
    gateway.take_back(record)
    gateway.produce_bytes(gateway.names.lifecycle, record.value, record.headers, key=b"the service")
    await gateway.run_until_idle()
    gateway.acknowledgements = Acknowledgements()  # another process does not know that Kafka has `accepted`
    await gateway.process_callback("ext-TR0001", state="inProgress")
    accepted = [event for event in gateway.published_events() if _is_accepted(event.data)]
    assert [event.headers.wrong_key for event in accepted] == ["the service", "the service"]
    assert len({event.headers.id for event in accepted}) == 1


def _is_accepted(data: object) -> bool:
    return isinstance(data, RunUpdate) and data.kind is UpdateKind.ACCEPTED


async def test_a_record_with_its_root_runs_id_as_key_is_not_told() -> None:
    gateway = await a_gateway_with(b"TR0001")
    assert gateway.wrong_keys == []
    assert {event.headers.wrong_key for event in gateway.published_events()} == {None}


async def test_a_child_whose_key_is_its_own_id_is_told() -> None:
    gateway = InMemoryGateway()
    child = a_document("TR0002", parent="TR0001")
    record = gateway.produce(gateway.names.lifecycle, RunRequested(run=child), "e1")
    gateway.take_back(record)
    gateway.produce_bytes(gateway.names.lifecycle, record.value, record.headers, key=b"TR0002")
    await gateway.run_until_idle()
    ((_, problem),) = gateway.wrong_keys
    assert "root run TR0001 has the key TR0002" in problem.sentence


@pytest.mark.parametrize(("key", "shown"), WRONG)
async def test_a_wrong_key_can_be_refused(key: bytes | None, shown: str) -> None:
    gateway = InMemoryGateway(refuses_wrong_keys=True)
    record = gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document("TR0001")), "e1")
    gateway.take_back(record)
    wrong = gateway.produce_bytes(gateway.names.lifecycle, record.value, record.headers, key=key)
    outcome = await gateway.attempt(wrong)
    assert isinstance(outcome, DeadLetter)
    assert outcome.problem.code == "WRONG_KEY"
    assert f"has the key {shown}, and `kafka.wrong_key` refuses it" in outcome.problem.sentence
    assert gateway.published_events() == []


async def test_a_wrong_key_is_counted_once_and_logged_once_in_a_while() -> None:
    metrics, logged = Metrics(), []
    observer = WorkerMetrics(metrics, "routing", lambda _role, problem, _record: logged.append(problem.sentence))
    gateway = InMemoryGateway()
    count = wrong_key_counter(metrics, "routing", ProblemReporter(observer))
    for number in range(3):
        record = gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document(f"TR{number}")), f"e{number}")
        gateway.take_back(record)
        wrong = gateway.produce_bytes(gateway.names.lifecycle, record.value, record.headers, key=None)
        await gateway.attempt(wrong)
        await gateway.attempt(wrong, 2)
    for record, problem in gateway.wrong_keys:
        count(record, problem)
    series = {
        sample.labels["topic"]: sample.value
        for family in metrics.collect()
        for sample in family.samples
        if sample.name == WRONG_KEYS.name
    }
    assert series == {"testrun.lifecycle": 3}
    (sentence,) = logged
    assert sentence.startswith("testrun.lifecycle[0] offset 2: RunRequested of root run TR0 has the key (no key)")
