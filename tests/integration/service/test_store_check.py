"""A gateway whose run store was lost, restored or exchanged does not start, and sends nothing twice if it must."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
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
    group, names = service.settings.kafka.group, service.topics
    spokes = {f"{group}.dispatch.{name}": names.dispatch(name) for name in SYSTEMS}
    return {f"{group}.routing": names.lifecycle, f"{group}.inbound": names.inbound, **spokes}


def reset_offsets(service: ServiceUnderTest) -> None:
    """Commit the beginning of each partition, as `kafka-consumer-groups --reset-offsets --to-earliest` does."""
    for group, topic in groups(service).items():
        with closing(Consumer({"bootstrap.servers": service.settings.kafka.servers, "group.id": group})) as consumer:
            numbers = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            consumer.commit(offsets=[TopicPartition(topic, number, 0) for number in numbers], asynchronous=False)


def delete_groups(service: ServiceUnderTest) -> None:
    admin = AdminClient({"bootstrap.servers": service.settings.kafka.servers})
    for deleted in admin.delete_consumer_groups([*groups(service)]).values():
        deleted.result(10)


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
        await service.wait_until(lambda: len(service.request_results()) == len(RUNS), "all have ended")
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
