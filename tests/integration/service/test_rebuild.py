"""`southbound replay --rebuild` refuses what would end in a second POST, and rebuilds what waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from schemas.vocabulary import Phase
from southbound.exit_codes import CommandFailedError, ExitCode
from southbound.operations.replay import rebuild
from southbound.operations.replay.compare import compare_store
from southbound.settings.settings import StoreSettings
from tests.builders.runs import a_document
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

    from southbound.settings.settings import Settings


def with_store(settings: Settings, file: Path) -> Settings:
    return settings.model_copy(update={"store": StoreSettings(url=SecretStr(f"sqlite:///{file}"))})


async def test_a_store_is_not_rebuilt_while_a_process_works(
    kafka_bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "MAX_MEMBER_WAIT", 0.5)
    async with a_service(kafka_bootstrap, tmp_path) as service:
        await service.request(a_document("TR1"))
        await service.result_of("TR1")
        settings = with_store(service.settings, tmp_path / "rebuilt.db")
        with pytest.raises(CommandFailedError, match="processes still work for the gateway") as refused:
            await asyncio.to_thread(rebuild.rebuild_store, settings)
        assert refused.value.exit_code is ExitCode.INVALID_INPUT


async def test_a_child_that_waits_for_its_root_is_rebuilt_and_the_hierarchy_goes_on(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    root = a_document("TR1", spec="fibre-tree", child_run_ids=("TR1-1",))
    child = a_document("TR1-1", spec="fibre-tree-child", parent="TR1")
    async with a_service(kafka_bootstrap, tmp_path) as service:
        await service.request(child, a_document("TR2"))
        await service.result_of("TR2")
        store = await service.store()
        async with asyncio.timeout(90):
            while not await store.run("TR1-1"):  # noqa: ASYNC110 - the store has no event for it
                await asyncio.sleep(0.02)
        await store.close()
        assert await service.stop()
        service.settings = with_store(service.settings, tmp_path / "rebuilt.db")
        assert await asyncio.to_thread(rebuild.rebuild_store, service.settings) == ExitCode.SUCCESS
        store = await service.store()
        row = await store.run("TR1-1")
        await store.close()
        assert row is not None
        assert row.phase is Phase.CREATED
        assert await asyncio.to_thread(compare_store, service.settings, other=None, as_json=False) == ExitCode.SUCCESS
        await service.start()
        await service.request(root)
        await service.result_of("TR1-1")
        names = [name for system in service.systems.values() for name in system.request_log.posted_names()]
        assert sorted(name.rpartition(" ")[2] for name in names) == ["TR1", "TR1-1", "TR2"]
