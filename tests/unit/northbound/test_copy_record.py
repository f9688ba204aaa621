"""A copy is the record, and a record is finished when the other cluster has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.northbound.streams.copy_record import RecordCopier, TenantChoice
from consumers.runtime.handler import Attempt, DeadLetter, Done, Partition, Record, RetryLater
from consumers.store.sql_store import open_store
from producers.publisher import Message, RecordTooLargeError
from tests.builders.runs import a_run
from tests.fakes.recording_publisher import RecordingPublisher

if TYPE_CHECKING:
    from pathlib import Path

TOPICS = {"testrun.results": "outside.results"}
HEADERS = st.lists(st.tuples(st.text(min_size=1), st.none() | st.binary()), max_size=4).map(tuple)


def a_record(
    key: bytes | None = b"TR1", value: bytes | None = b"{}", headers: tuple[tuple[str, bytes | None], ...] = ()
) -> Record:
    return Record(Partition(topic="testrun.results", number=0, epoch=1), 0, key, value, headers, 0)


@given(key=st.none() | st.binary(), value=st.none() | st.binary(), headers=HEADERS)
async def test_key_value_and_headers_stay_as_they_are(
    key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes | None], ...]
) -> None:
    publisher = RecordingPublisher()
    copier = RecordCopier(topics=TOPICS, publisher=publisher)
    assert await copier.handle_record(a_record(key, value, headers), Attempt(1)) == Done()
    assert publisher.published == [Message("outside.results", key, value, headers)]


async def test_a_cluster_that_is_down_is_waited_for() -> None:
    publisher, copied = RecordingPublisher(), list[str]()
    copier = RecordCopier(topics=TOPICS, publisher=publisher, on_copied=lambda: copied.append("copied"))
    publisher.fail_topic("outside.results")
    outcome = await copier.handle_record(a_record(), Attempt(1))
    assert isinstance(outcome, RetryLater)
    assert (outcome.problem.code, copied) == ("PUBLISH_FAILED", [])
    publisher.restore_topic("outside.results")
    assert await copier.handle_record(a_record(), Attempt(2)) == Done()
    assert copied == ["copied"]


async def test_a_record_that_the_other_cluster_never_takes_is_a_dead_letter() -> None:
    publisher = RecordingPublisher()
    publisher.fail_topic("outside.results", "too large", RecordTooLargeError)
    outcome = await RecordCopier(topics=TOPICS, publisher=publisher).handle_record(a_record(), Attempt(1))
    assert isinstance(outcome, DeadLetter)
    assert outcome.problem.code == "MESSAGE_TOO_LARGE"


async def test_a_topic_that_is_not_copied_is_a_defect() -> None:
    with pytest.raises(KeyError):
        await RecordCopier(topics={}, publisher=RecordingPublisher()).handle_record(a_record(), Attempt(1))


async def test_only_what_is_about_runs_of_its_tenants_is_copied(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/runs.db")
    await store.save(a_run("TR1", tenant="north"), a_run("TR2", tenant="south"), a_run("TR3"))
    publisher, skipped = RecordingPublisher(), list[str]()
    copier = RecordCopier(
        topics=TOPICS,
        publisher=publisher,
        is_chosen=TenantChoice(store.orders, {"north"}).is_chosen,
        on_skipped=lambda: skipped.append("skipped"),
    )
    for key in (b"TR1", b"TR2", b"TR3", b"unknown", None, b"\xff\0"):
        assert await copier.handle_record(a_record(key), Attempt(1)) == Done()
    assert [message.key for message in publisher.published] == [b"TR1"]
    assert len(skipped) == 5
    await store.close()
