"""Records of other systems order, change and cancel runs: once each, whatever is delivered twice or overtakes."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from consumers.runtime.handler import DeadLetter, Done, RetryLater
from router.responses import HttpResponse
from schemas.codec.registered_avro import RegisteredAvroReader
from schemas.codec.schema_registry import RegistryError, RegistryUnavailableError
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.registered_avro import CHANGE, SERVICE_TEST, framed_avro
from tests.builders.runs import a_run
from tests.fakes.transport import FakeTransport
from tests.harness.streams import NOON_MS, a_service_test, a_stream

if TYPE_CHECKING:
    from pathlib import Path

    from consumers.runtime.handler import Outcome

PAIR: dict[str, Any] = {"bootstrap": ["a:4100", "b:4200"]}
CHANGE_DATA: dict[str, Any] = {"format": "change-data", "target": "instance"}


def code_of(outcome: Outcome) -> str:
    """Return the code of the problem of an outcome."""
    assert isinstance(outcome, DeadLetter | RetryLater)
    return outcome.problem.code


async def test_a_later_state_of_a_run_changes_it_and_a_cancelled_one_cancels_it(tmp_path: Path) -> None:
    async with a_stream(tmp_path, tenant="acme") as stream:
        for body in (
            a_service_test(),
            a_service_test(description="slow since Monday"),
            a_service_test(description="slow since Monday", state="inProgress"),
            a_service_test(state="canceled"),
        ):
            assert await stream.take(body) == Done()
        requested, changed, cancelled = (event.data for event in stream.events)
        assert isinstance(requested, RunRequested)
        assert (requested.run.run_id, requested.run.tenant, requested.run.version) == ("TR1", "acme", 1)
        assert isinstance(changed, RunChanged)
        assert (changed.run.description, changed.run.version) == ("slow since Monday", 2)
        assert isinstance(cancelled, RunCancelled)
        assert stream.outcomes == ["ordered", "changed", "unchanged", "cancelled"]


async def test_a_record_that_is_delivered_again_leads_to_nothing_even_after_later_ones(tmp_path: Path) -> None:
    async with a_stream(tmp_path) as stream:
        for description, event_id in (("a", "1"), ("b", "2"), ("b", "2"), ("a", "1")):
            await stream.take(a_service_test(description=description), ce_id=event_id)
        assert stream.kinds == ["RunRequested", "RunChanged"]
        assert stream.outcomes[2:3] == ["duplicate"]


async def test_the_same_event_of_both_clusters_orders_a_run_once_although_both_arrive_at_once(tmp_path: Path) -> None:
    # The orders had the same event id and another version, so that a second event of another content was published.
    async with a_stream(tmp_path, **PAIR) as stream:
        body = a_service_test()
        taken = [stream.take(body, cluster=cluster, at_ms=5 * cluster, ce_id="E1") for cluster in (0, 1)]
        assert await asyncio.gather(*taken) == [Done(), Done()]
        assert {event.headers.id for event in stream.events} == {stream.events[0].headers.id}
        assert {event.data for event in stream.events} == {stream.events[0].data}
        assert sorted(stream.outcomes) == ["duplicate", "ordered"]


async def test_an_event_that_was_overtaken_on_the_other_cluster_changes_nothing(tmp_path: Path) -> None:
    async with a_stream(tmp_path, **PAIR) as stream:
        await stream.take(a_service_test(description="new"), at_ms=2_000, cluster=1)
        await stream.take(a_service_test(description="old"), at_ms=1_000, cluster=0)
        await stream.take(a_service_test(description="newest"), at_ms=3_000, cluster=0)
        assert stream.outcomes == ["ordered", "stale", "changed"]
        documents = [each.data.run for each in stream.events if isinstance(each.data, RunRequested | RunChanged)]
        assert [run.version for run in documents] == [(NOON_MS + at_ms) * 1_000 for at_ms in (2_000, 3_000)]


async def test_on_one_cluster_the_order_of_the_topic_counts_and_not_the_clock_of_the_producer(tmp_path: Path) -> None:
    async with a_stream(tmp_path) as stream:
        await stream.take(a_service_test(description="first"), at_ms=2_000)
        await stream.take(a_service_test(description="second"), at_ms=1_000)
        assert stream.outcomes == ["ordered", "changed"]


async def test_a_cancellation_waits_for_its_order_on_the_other_cluster(tmp_path: Path) -> None:
    async with a_stream(tmp_path, **PAIR) as stream:
        cancelled = a_service_test(state="canceled")
        assert code_of(await stream.take(cancelled, at_ms=2_000)) == "ORDER_MISSING"
        await stream.take(a_service_test(), at_ms=1_000, cluster=1)
        assert await stream.take(cancelled, at_ms=2_000) == Done()
        assert stream.kinds == ["RunRequested", "RunCancelled"]
        assert await stream.take(a_service_test("TR2", state="canceled"), elapsed=31) == Done()
        assert stream.outcomes[-1] == "not_ordered"


@pytest.mark.parametrize("state", ["completed", "failed", "inProgress", "Draft"])
async def test_a_run_in_another_state_is_not_ordered(tmp_path: Path, state: str) -> None:
    async with a_stream(tmp_path) as stream:
        assert await stream.take(a_service_test(state=state)) == Done()
        assert (stream.events, stream.outcomes) == ([], ["not_ordered"])


async def test_an_order_that_breaks_a_rule_is_a_dead_letter_with_each_place(tmp_path: Path) -> None:
    async with a_stream(tmp_path) as stream:
        outcome = await stream.take({"id": "TR1", "name": "Line test", "testSpecification": {}})
        assert isinstance(outcome, DeadLetter)
        assert outcome.problem.code == "ORDER_REFUSED"
        assert "/relatedService: relatedService is missing" in outcome.problem.detail
        assert "/testSpecification/id" in outcome.problem.detail


@pytest.mark.parametrize(
    ("body", "profile", "reason"),
    [
        (None, {}, "it has no value"),
        (b"\xc3\x01", {}, "its value is not JSON"),
        (b"[" * 100 + b"]" * 100, {}, "nested more than 64 levels deep"),
        ([1], {}, "it has no JSON object at its top"),
        ({"event": 1}, {"body": "/event/serviceTest"}, "it has no JSON object at /event/serviceTest"),
        (a_service_test(), {"time": "/updated"}, "it has no moment at /updated"),
    ],
)
async def test_a_record_that_is_not_what_the_profile_says_is_a_dead_letter(
    tmp_path: Path, body: object, profile: dict[str, Any], reason: str
) -> None:
    async with a_stream(tmp_path, **profile) as stream:
        outcome = await stream.take(body)
        assert isinstance(outcome, DeadLetter)
        assert outcome.problem.code == "STREAM_RECORD_UNREADABLE"
        assert reason in outcome.problem.sentence


async def test_a_child_waits_for_its_parent_and_is_refused_after_its_patience(tmp_path: Path) -> None:
    async with a_stream(tmp_path) as stream:
        child = a_service_test("TR2", serviceTestRelationship=[{"role": "parent", "id": "TR1"}])
        assert code_of(await stream.take(child)) == "PARENT_MISSING"
        assert code_of(await stream.take(child, elapsed=11)) == "ORDER_REFUSED"
        await stream.take(a_service_test())
        assert await stream.take(child) == Done()
        assert await stream.take(child) == Done()
        assert stream.outcomes == ["ordered", "ordered", "duplicate"]


async def test_an_order_is_finished_only_when_kafka_has_its_event(tmp_path: Path) -> None:
    async with a_stream(tmp_path) as stream:
        stream.publisher.fail_topic("testrun.lifecycle")
        assert code_of(await stream.take(a_service_test(), ce_id="E1")) == "PUBLISH_FAILED"
        assert code_of(await stream.take(a_service_test(), ce_id="E1")) == "PUBLISH_FAILED"
        stream.publisher.restore_topic("testrun.lifecycle")
        assert await stream.take(a_service_test(), ce_id="E1") == Done()
        assert stream.kinds == ["RunRequested"]


async def test_events_of_southbound_are_copied_as_they_are_with_an_id(tmp_path: Path) -> None:
    async with a_stream(tmp_path, format="cloudevents") as stream:
        assert await stream.take(b"{}", key=b"TR1", ce_type="southbound.RunRequested") == Done()
        (message,) = stream.publisher.published
        assert (message.topic, message.key, message.value) == ("testrun.lifecycle", b"TR1", b"{}")
        assert [name for name, _ in message.headers] == ["ce_type", "ce_id"]


async def test_an_event_of_southbound_does_not_leave_the_tenant_of_its_source(tmp_path: Path) -> None:
    async with a_stream(tmp_path, tenant="acme") as stream:
        cancelled = {"run_id": "TR-of-another", "root_run_id": "TR-of-another"}
        outcome = await stream.take(cancelled, ce_type="southbound.RunCancelled")
        assert isinstance(outcome, DeadLetter)
        assert outcome.problem.code == "STREAM_RECORD_UNREADABLE"
        assert "tenant" in outcome.problem.sentence
        assert stream.publisher.published == []


async def test_who_ordered_hears_of_a_run_that_its_stream_could_not_order(tmp_path: Path) -> None:
    async with a_stream(tmp_path) as stream:
        for _ in range(2):  # redelivered
            await stream.take(a_service_test(relatedService={}), ce_id="E1")
        ids = {dict(message.headers)["ce_id"] for message in stream.publisher.messages_on("testrun.inflight")}
        assert len(ids) == 1
        update, again = stream.updates
        assert again.model_copy(update={"occurred_at": update.occurred_at}) == update
        assert (update.run_id, update.kind, update.revision) == ("TR1", UpdateKind.FALLOUT, 0)
        assert [reason.code for reason in update.reasons] == ["ORDER_REFUSED"]
        assert "relatedService" in update.reasons[0].message


async def test_who_ordered_hears_of_a_change_that_its_stream_could_not_make_and_the_run_goes_on(tmp_path: Path) -> None:
    async with a_stream(tmp_path) as stream:
        await stream.take(a_service_test())
        await stream.take(a_service_test(relatedService=7))
        [waiting] = stream.updates
        assert (waiting.kind, waiting.revision) == (UpdateKind.CHANGE_REFUSED, 0)
        await stream.store.save(a_run("TR1", phase=Phase.ACCEPTED, state=RunState.IN_PROGRESS))
        await stream.take(a_service_test(relatedService=7), at_ms=1)
        routed = stream.updates[-1]
        assert (routed.kind, routed.revision, routed.phase) == (UpdateKind.CHANGE_REFUSED, 2, Phase.ACCEPTED)


@pytest.mark.parametrize(
    ("body", "profile"),
    [
        (a_service_test(None, relatedService={}), {}),
        (b"no JSON", {}),
        ({"sys_id": 7}, CHANGE_DATA),
        (a_service_test("OTHERS", relatedService={}), {"tenant": "acme"}),
    ],
    ids=["no id", "unreadable", "change data", "the run of another tenant"],
)
async def test_nobody_is_told_of_a_run_that_the_record_does_not_name_or_may_not(
    tmp_path: Path, body: object, profile: dict[str, Any]
) -> None:
    transport = answering() if profile == CHANGE_DATA else None
    async with a_stream(tmp_path, transport, **profile) as stream:
        await stream.store.save(a_run("OTHERS", phase=Phase.ACCEPTED))
        assert isinstance(await stream.take(body), DeadLetter)
        assert stream.updates == []


async def test_an_order_without_an_id_is_one_run_however_often_its_record_comes(tmp_path: Path) -> None:
    async with a_stream(tmp_path) as stream:
        for at_ms in (0, 0, 1):
            assert await stream.take(a_service_test(None), at_ms=at_ms) == Done()
        assert stream.outcomes == ["ordered", "duplicate", "ordered"]
        assert len({event.headers.subject for event in stream.events}) == 2


def answering(*answers: object) -> FakeTransport:
    """Return the transport of an instance that answers with these runs; a number is a status without a run."""
    return FakeTransport(
        [
            HttpResponse(status=each, headers={}, body=b"{}")
            if isinstance(each, int)
            else HttpResponse(status=200, headers={}, body=orjson.dumps(each))
            for each in answers
        ]
    )


async def test_change_data_makes_southbound_read_the_run_and_order_what_it_reads(tmp_path: Path) -> None:
    times = {"startDateTime": "2026-12-01 10:00:00", "endDateTime": "", "mode": ""}
    first = a_service_test("SYS1", **times, testMeasure=[{"id": "M1", "metricName": "speed"}])
    instance = answering(first, {**first, "description": "changed"}, 404)
    async with a_stream(tmp_path, instance, **CHANGE_DATA) as stream:
        for at_ms, action in enumerate(("insert", "update", "delete")):
            changed_row = {"sys_id": "SYS1", "number": "TR0001"}
            assert await stream.take(changed_row, at_ms=at_ms, action=action) == Done()
        requested, changed, cancelled = (event.data for event in stream.events)
        assert isinstance(requested, RunRequested)
        assert (requested.run.run_id, requested.run.test_measure[0].id) == ("SYS1", "M1")
        moment = requested.run.start_date_time
        assert moment is not None
        assert moment.utcoffset() == timedelta(0)
        assert (moment.hour, requested.run.end_date_time) == (9, None)
        assert isinstance(changed, RunChanged)
        assert isinstance(cancelled, RunCancelled)
        assert [request.url.rpartition("/api")[2] for request in instance.requests] == ["/serviceTest/SYS1"] * 3


async def test_what_southbound_wrote_back_itself_changes_nothing_when_it_is_announced(tmp_path: Path) -> None:
    ordered = a_service_test("SYS1")
    measured = {"id": "TM9", "metricName": "nobody asked for it", "value": "3", "unitOfMeasure": "ms"}
    instance = answering(ordered, {**ordered, "state": "completed", "testMeasure": [measured]})
    async with a_stream(tmp_path, instance, **CHANGE_DATA) as stream:
        for at_ms in (0, 1):
            await stream.take({"sys_id": "SYS1"}, action="update", at_ms=at_ms)
        assert stream.outcomes == ["ordered", "unchanged"]


@pytest.mark.parametrize(
    ("status", "code"), [(404, "TARGET_WITHOUT_RUN"), (503, "CALL_TRANSIENT"), (401, "CALL_CONFIGURATION")]
)
async def test_a_run_that_cannot_be_read_waits_or_is_a_dead_letter(tmp_path: Path, status: int, code: str) -> None:
    async with a_stream(tmp_path, answering(status), **CHANGE_DATA) as stream:
        outcome = await stream.take({"sys_id": "SYS1"}, action="update")
        assert code_of(outcome) == code
        assert isinstance(outcome, DeadLetter) == (status == 404)


async def test_a_table_of_parts_names_its_run_in_a_field(tmp_path: Path) -> None:
    instance = answering(a_service_test("SYS1"))
    async with a_stream(tmp_path, instance, run_id="/test_run", **CHANGE_DATA) as stream:
        assert await stream.take({"sys_id": "M1", "test_run": "SYS1"}, action="insert") == Done()
        assert stream.outcomes == ["ordered"]
        assert code_of(await stream.take({"sys_id": "M1", "test_run": ""})) == "STREAM_RECORD_UNREADABLE"


# Avro


class Schemas:
    """A registry with these schemas, which counts how often each is fetched."""

    def __init__(self, **schemas: dict[str, Any]) -> None:
        self.schemas = {int(name.removeprefix("id")): json.dumps(schema) for name, schema in schemas.items()}
        self.fetched: list[int] = []
        self.is_down = False

    def fetch(self, schema_id: int) -> str:
        self.fetched.append(schema_id)
        if self.is_down:
            raise RegistryUnavailableError("The schema registry at http://registry does not answer: refused.")
        if schema_id not in self.schemas:
            raise RegistryError(f"The schema registry at http://registry answers 404 to /schemas/ids/{schema_id}.")
        return self.schemas[schema_id]


async def test_a_run_is_ordered_and_changed_by_avro_of_a_registry_whose_schema_is_fetched_once(tmp_path: Path) -> None:
    schemas = Schemas(id7=SERVICE_TEST)
    async with a_stream(tmp_path, avro=RegisteredAvroReader(schemas.fetch)) as stream:
        for description in (None, "slow since Monday", "slow since Monday"):
            value = framed_avro(SERVICE_TEST, a_service_test(description=description))
            assert await stream.take(value) == Done()
        assert stream.kinds == ["RunRequested", "RunChanged"]
        assert stream.outcomes[:2] == ["ordered", "changed"]
        assert await stream.take(a_service_test("TR2")) == Done()  # JSON on the same topic
        assert schemas.fetched == [7]


async def test_a_message_of_change_data_may_be_avro(tmp_path: Path) -> None:
    avro = RegisteredAvroReader(Schemas(id7=CHANGE).fetch)
    async with a_stream(tmp_path, answering(a_service_test("SYS1")), avro=avro, **CHANGE_DATA) as stream:
        assert await stream.take(framed_avro(CHANGE, {"sys_id": "SYS1"}), action="insert") == Done()
        assert stream.kinds == ["RunRequested"]


async def test_a_registry_that_is_down_is_waited_for(tmp_path: Path) -> None:
    schemas = Schemas(id7=SERVICE_TEST)
    schemas.is_down = True
    value = framed_avro(SERVICE_TEST, a_service_test())
    async with a_stream(tmp_path, avro=RegisteredAvroReader(schemas.fetch)) as stream:
        waiting = await stream.take(value)
        assert isinstance(waiting, RetryLater)
        assert code_of(waiting) == "REGISTRY_UNAVAILABLE"
        schemas.is_down = False
        assert await stream.take(value) == Done()


ENDLESS = {"type": "record", "name": "E", "fields": [{"name": "e", "type": ["null", "E"], "default": None}]}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\x00\x00", "ends before the id of its schema"),
        (framed_avro(SERVICE_TEST, a_service_test(), 8), "answers 404 to /schemas/ids/8"),
        (framed_avro(SERVICE_TEST, a_service_test())[:-3], "does not follow the schema 7"),
        (framed_avro(SERVICE_TEST, a_service_test()) + b"more", "left over"),
        (framed_avro(ENDLESS, {"e": None}, 9), "the schema 9 of the registry is not read: it is recursive"),
    ],
)
async def test_avro_that_cannot_be_read_is_a_dead_letter(tmp_path: Path, value: bytes, reason: str) -> None:
    schemas = Schemas(id7=SERVICE_TEST, id9=ENDLESS)
    async with a_stream(tmp_path, avro=RegisteredAvroReader(schemas.fetch)) as stream:
        outcome = await stream.take(value)
        assert isinstance(outcome, DeadLetter)
        assert outcome.problem.code == "STREAM_RECORD_UNREADABLE"
        assert reason in outcome.problem.sentence


async def test_avro_without_a_registry_says_what_to_set(tmp_path: Path) -> None:
    async with a_stream(tmp_path) as stream:
        outcome = await stream.take(framed_avro(SERVICE_TEST, a_service_test()))
        assert isinstance(outcome, DeadLetter)
        assert "kafka.registry is not set: set it" in outcome.problem.sentence
