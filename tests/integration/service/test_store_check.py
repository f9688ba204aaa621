"""A gateway whose run store was lost, restored or exchanged does not start, and sends nothing twice if it must."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pydantic import SecretStr

from southbound.service.roles import Role
from southbound.service.serve import NotConfiguredError
from southbound.settings.settings import StoreSettings
from tests.builders.runs import a_document
from tests.fixtures.processes import a_deployment
from tests.fixtures.service import SYSTEMS, a_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.fixtures.service import ServiceUnderTest

RUNS = ("TR1", "TR2", "TR3")


@asynccontextmanager
async def a_stopped_service(bootstrap: str, folder: Path) -> AsyncIterator[ServiceUnderTest]:
    """A service that has processed runs and was stopped."""
    async with a_service(bootstrap, folder) as service:
        await service.request(*map(a_document, RUNS))
        for run_id in RUNS:
            await service.result_of(run_id)
        assert await service.stop()
        yield service


def posts(service: ServiceUnderTest) -> list[str]:
    names = [name for system in service.systems.values() for name in system.request_log.posted_names()]
    return sorted(name.rpartition(" ")[2] for name in names)


def use_store(service: ServiceUnderTest, file: Path) -> None:
    settings = StoreSettings(url=SecretStr(f"sqlite:///{file}"))
    service.settings = service.settings.model_copy(update={"store": settings})


def groups(service: ServiceUnderTest) -> dict[str, str]:
    kafka, names = service.settings.kafka, service.topics
    spokes = {kafka.group_of(f"dispatch.{name}"): names.dispatch(name) for name in SYSTEMS}
    return {kafka.group_of("routing"): names.lifecycle, kafka.group_of("inbound"): names.inbound, **spokes}


def change_settings(service: ServiceUnderTest, **kafka: str) -> None:
    changed = service.settings.kafka.model_copy(update=kafka)
    service.settings = service.settings.model_copy(update={"kafka": changed})


def reset_offsets(service: ServiceUnderTest) -> None:
    """Commit the beginning of each partition, as `kafka-consumer-groups --reset-offsets --to-earliest` does."""
    for group, topic in groups(service).items():
        with closing(Consumer({"bootstrap.servers": service.settings.kafka.servers, "group.id": group})) as consumer:
            numbers = consumer.list_topics(topic, timeout=60).topics[topic].partitions
            consumer.commit(offsets=[TopicPartition(topic, number, 0) for number in numbers], asynchronous=False)


def delete_groups(service: ServiceUnderTest) -> None:
    admin = AdminClient({"bootstrap.servers": service.settings.kafka.servers})
    for deleted in admin.delete_consumer_groups([*groups(service)]).values():
        deleted.result(60)


async def test_an_empty_store_is_refused_whatever_became_of_the_offsets(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_stopped_service(kafka_bootstrap, tmp_path) as service:
        use_store(service, tmp_path / "empty.db")
        for change in (lambda _: None, reset_offsets, delete_groups):
            await asyncio.to_thread(change, service)
            with pytest.raises(NotConfiguredError, match=r"is empty, but the gateway .*--accept-empty-store"):
                await service.start()
        assert posts(service) == [*RUNS]


async def test_an_accepted_empty_store_looks_runs_up_before_it_sends_them(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_stopped_service(kafka_bootstrap, tmp_path) as service:
        use_store(service, tmp_path / "empty.db")
        await asyncio.to_thread(reset_offsets, service)
        await service.wait_until(lambda: len(service.request_results()) >= len(RUNS), "all have ended")
        await service.start(accept_empty_store=True)
        await service.wait_until(lambda: len(service.request_results()) >= 2 * len(RUNS), "all have ended again")
        await service.request(a_document("TR4"))
        await service.result_of("TR4")
        assert await service.stop()
        assert posts(service) == [*RUNS, "TR4"]
        await service.start()  # it continues from here, without the option
        assert await service.stop()


async def test_a_restored_backup_is_refused_and_its_open_runs_are_looked_up(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    backup, file = tmp_path / "backup.db", tmp_path / "runs.db"
    async with a_service(kafka_bootstrap, tmp_path, started=False) as service:
        await service.start([Role.ROUTING])
        await service.request(a_document("TR1"))
        await service.wait_until(lambda: _has_run(service, file), "TR1 is routed")
        assert await service.stop()
        shutil.copy(file, backup)
        await service.start()
        await service.result_of("TR1")
        assert await service.stop()
        _restore(backup, file)
        with pytest.raises(NotConfiguredError, match="is older than the committed offsets of the gateway"):
            await service.start()
        results = len(service.results())
        await service.start(accept_empty_store=True)
        await service.wait_until(lambda: len(service.results()) > results, "TR1 has ended again")
        assert await service.stop()
        assert posts(service) == ["TR1"]


def _restore(backup: Path, file: Path) -> None:
    for name in file.parent.glob(f"{file.name}-*"):
        name.unlink()
    shutil.copy(backup, file)


def _has_run(service: ServiceUnderTest, file: Path) -> bool:
    with closing(sqlite3.connect(file)) as connection:
        return bool(connection.execute("SELECT count(*) FROM runs WHERE phase = 'routed'").fetchone()[0])


async def test_a_restored_backup_is_refused_when_the_offsets_were_reset_or_are_gone(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    """Before, only commits named marks: without them, TR2 and TR3 were POSTed again."""
    backup, file = tmp_path / "backup.db", tmp_path / "runs.db"
    async with a_service(kafka_bootstrap, tmp_path) as service:
        await service.request(a_document("TR1"))
        await service.result_of("TR1")
        assert await service.stop()
        shutil.copy(file, backup)
        await service.start()
        for run_id in ("TR2", "TR3"):
            await service.request(a_document(run_id))
            await service.result_of(run_id)
        assert await service.stop()
        for change in (reset_offsets, delete_groups):
            await asyncio.to_thread(change, service)
            _restore(backup, file)
            with pytest.raises(NotConfiguredError, match="is older than the committed offsets of the gateway"):
                await service.start()
        results = len(service.results())
        await service.start(accept_empty_store=True)
        await service.wait_until(lambda: len(service.results()) >= results + 2, "both have ended again")
        assert await service.stop()
        assert posts(service) == ["TR1", "TR2", "TR3"]


async def test_new_runs_are_sent_at_once_when_the_topic_is_made_anew_after_an_accepted_store(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    """Before, the offsets of the old topic counted for the new one: new runs were looked up, or went to fallout."""
    new = ("TR4", "TR5", "TR6", "TR7", "TR8", "TR9")  # some have the partition and offset of an old one
    async with a_stopped_service(kafka_bootstrap, tmp_path) as service:
        use_store(service, tmp_path / "empty.db")
        await service.start(accept_empty_store=True)
        assert await service.stop()
        await asyncio.to_thread(make_anew, service.settings.kafka.servers, service.topics.lifecycle)
        await service.start()
        await service.request(*map(a_document, new))
        for run_id in new:
            await service.result_of(run_id)
        assert await service.stop()
        assert posts(service) == [*RUNS, *new]
        assert not [name for name in look_ups(service) if name.endswith(new)]


def make_anew(servers: str, topic: str) -> None:
    """Delete a topic and create it again."""
    admin = AdminClient({"bootstrap.servers": servers})
    admin.delete_topics([topic])[topic].result(60)
    deadline = time.monotonic() + 60
    while True:
        try:
            admin.create_topics([NewTopic(topic, 3, 1)])[topic].result(60)
        except KafkaException as error:  # it is still being deleted
            if time.monotonic() > deadline or error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
        else:
            return


def look_ups(service: ServiceUnderTest) -> list[str]:
    """Return the names that were looked up."""
    received = [request for system in service.systems.values() for request in system.request_log.requests]
    return [value for request in received if request.method == "GET" for _, value in parse_qsl(request.query)]


async def test_the_right_store_is_not_refused_when_the_group_is_renamed(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_stopped_service(kafka_bootstrap, tmp_path) as service:
        change_settings(service, group=f"{service.settings.kafka.group}-renamed")
        await service.start()
        await service.request(a_document("TR4"))
        await service.result_of("TR4")
        assert await service.stop()
        assert posts(service) == [*RUNS, "TR4"]


async def test_roles_may_have_groups_of_their_own_with_one_store(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_service(kafka_bootstrap, tmp_path, started=False) as service:
        group = service.settings.kafka.group
        for roles in ([Role.ROUTING], [Role.DISPATCH, Role.INBOUND, Role.LISTENER], [Role.INBOUND], [Role.ROUTING]):
            change_settings(service, group=f"{group}-{roles[0]}")
            await service.start(roles)
            assert await service.stop()


async def test_a_second_gateway_with_the_same_store_is_refused(kafka_bootstrap: str, tmp_path: Path) -> None:
    """Before, two gateways with one store ended each other's runs."""
    async with (
        a_service(kafka_bootstrap, tmp_path) as first,
        a_service(kafka_bootstrap, tmp_path, started=False) as second,
    ):
        with pytest.raises(NotConfiguredError) as refused:
            await second.start()
        sentence = str(refused.value)
        assert f"belongs to another gateway, of the topics {first.topics.lifecycle[:-9]}*" in sentence
        assert "correct kafka.prefix" in sentence
        await first.request(a_document("TR1"))
        await first.result_of("TR1")
        assert await first.stop()
        # Its topics are moved on purpose: the store goes with them.
        await second.start(accept_empty_store=True)
        await second.request(a_document("TR2"))
        await second.result_of("TR2")
        assert await second.stop()
        with pytest.raises(NotConfiguredError, match=r"belongs to another gateway"):
            await first.start()


async def test_two_stores_of_one_gateway_are_noticed_before_the_first_run(kafka_bootstrap: str, tmp_path: Path) -> None:
    """Before, processes with different stores started side by side as long as nothing was committed."""
    async with a_service(kafka_bootstrap, tmp_path, started=False) as service:
        await service.start([Role.ROUTING])
        assert await service.stop()
        use_store(service, tmp_path / "other.db")
        with pytest.raises(NotConfiguredError, match=r"other\.db is empty, but the gateway .* has worked with a store"):
            await service.start([Role.DISPATCH])


async def test_of_two_stores_that_start_at_once_one_is_refused(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_deployment(kafka_bootstrap, tmp_path) as deployment:
        await deployment.start("routing", wait=False)
        use_store(deployment.service, tmp_path / "other.db")
        await deployment.start("dispatch", wait=False)
        processes = deployment.processes

        def has_decided() -> bool:
            return all(one.popen.poll() is not None or '"started"' in one.log_text() for one in processes)

        await deployment.service.wait_until(has_decided, "both have started or ended")
        logs = [one.log_text() for one in processes]
        assert sorted(one.popen.poll() is None for one in processes) == [False, True], logs
        assert any("has worked with" in log for log in logs), logs


async def test_a_process_that_was_not_stopped_before_another_store_was_accepted_ends(
    kafka_bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("southbound.service.store_check.MARK_INTERVAL", 0.2)
    async with a_service(kafka_bootstrap, tmp_path, started=False) as service:
        forgotten = replace(service)
        await forgotten.start([Role.DISPATCH])
        use_store(service, tmp_path / "other.db")
        await service.start([Role.ROUTING], accept_empty_store=True)
        with pytest.raises(NotConfiguredError, match=r"runs\.db is not the one that the gateway .* has worked with"):
            await forgotten.wait_until(lambda: None, "it ends")
        await service.request(a_document("TR1"))
        await service.wait_until(lambda: _has_run(service, tmp_path / "other.db"), "the other one goes on")
        assert await service.stop()


async def test_a_store_without_its_identity_is_refused_in_one_sentence(kafka_bootstrap: str, tmp_path: Path) -> None:
    """Before, the start ended with a traceback."""
    async with a_stopped_service(kafka_bootstrap, tmp_path) as service:
        with closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
            connection.execute("DELETE FROM store_identity")
            connection.commit()
        with pytest.raises(NotConfiguredError, match=r"is not the one that the gateway .* has worked with"):
            await service.start()


async def test_another_store_is_refused(kafka_bootstrap: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with (
        a_stopped_service(kafka_bootstrap, tmp_path) as service,
        a_stopped_service(kafka_bootstrap, tmp_path / "other"),
    ):
        use_store(service, tmp_path / "other/runs.db")
        with pytest.raises(NotConfiguredError, match=r"is not the one that the gateway .* has worked with"):
            await service.start()


async def test_reset_offsets_are_harmless_with_the_store_that_has_the_runs(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with a_stopped_service(kafka_bootstrap, tmp_path) as service:
        for change in (reset_offsets, delete_groups):
            await asyncio.to_thread(change, service)
            await service.start()
            await service.request(a_document(change.__name__))
            await service.result_of(change.__name__)
            assert await service.stop()
        assert posts(service) == [*RUNS, "delete_groups", "reset_offsets"]


async def test_processes_of_all_roles_may_start_at_once(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_deployment(kafka_bootstrap, tmp_path) as deployment:
        roles = (("routing",), ("dispatch", "inbound"), ("listener", "poller"))
        await asyncio.gather(*(deployment.start(*some, with_listener="listener" in some) for some in roles))
        await deployment.service.request(a_document("TR1"))
        await deployment.service.result_of("TR1")
        assert posts(deployment.service) == ["TR1"]
