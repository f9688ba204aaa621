"""The demo is the main job once through; what it shows is what must be."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient
from pydantic import SecretStr
from rich.console import Console

from consumers.store.sql_store import open_store
from schemas.vocabulary import Phase
from southbound.demo.run_demo import run_demo
from southbound.demo.scenarios import make_scenarios
from southbound.settings.settings import KafkaSettings, RoutingSettings, Settings, StoreSettings
from tests.builders.runs import a_run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from router.runs.run import RunRow
    from southbound.demo.scenarios import Scenario


def test_every_story_of_the_demo_ends_as_it_must_and_a_second_demo_is_as_good(kafka_bootstrap: str) -> None:
    for _ in range(2):
        shown = io.StringIO()
        assert run_demo(Settings(kafka=KafkaSettings(bootstrap=kafka_bootstrap)), Console(file=shown)) == 0, (
            shown.getvalue()
        )
        assert "10 of 10 scenarios ended as expected" in shown.getvalue()
        assert "outbound-policy@" in shown.getvalue()
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    groups = admin.list_consumer_groups().result(10).valid
    left = [*admin.list_topics(timeout=10).topics, *(group.group_id for group in groups)]
    assert not [name for name in left if name.startswith("demo-")]


async def _store_rows(url: str, *rows: RunRow) -> tuple[RunRow | None, ...]:
    """Put rows where there are none yet, and give what is there."""
    store = await open_store(url)
    try:
        await store.save_each([[row] for row in rows])
        return tuple([await store.run(row.run_id) for row in rows])
    finally:
        await store.close()


def test_the_demo_leaves_alone_what_an_operators_tables_and_store_already_hold(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    waiting = a_run("TR0001", phase=Phase.CREATED, decision=None, spoke="")
    silent = a_run("TR0002", phase=Phase.ACCEPTED, external_id="ext-TR0002")
    asyncio.run(_store_rows(url, waiting, silent))
    settings = Settings(
        kafka=KafkaSettings(bootstrap=kafka_bootstrap),
        store=StoreSettings(url=SecretStr(url)),
        routing=RoutingSettings(policy=tmp_path / "own.yaml", children_deadline=0.1),
    )
    shown = io.StringIO()
    assert run_demo(settings, Console(file=shown)) == 0, shown.getvalue()
    assert asyncio.run(_store_rows(url, waiting, silent)) == (waiting, silent)


def test_on_a_terminal_the_runs_are_seen_moving(kafka_bootstrap: str) -> None:
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=160)
    assert run_demo(Settings(kafka=KafkaSettings(bootstrap=kafka_bootstrap)), terminal) == 0, shown.getvalue()
    assert "Runs in progress" in shown.getvalue()


def test_a_story_that_does_not_end_as_it_must_fails_the_demo(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(tag: str) -> tuple[Scenario, ...]:
        story = make_scenarios(tag)[0]
        return (replace(story, check=lambda _: iter(["the moon must be made of cheese"])),)

    monkeypatch.setattr("southbound.demo.run_demo.DEMO_TIMEOUT", 0.5)
    monkeypatch.setattr("southbound.demo.run_demo.make_scenarios", wrong)
    shown = io.StringIO()
    assert run_demo(Settings(kafka=KafkaSettings(bootstrap=kafka_bootstrap)), Console(file=shown)) == 1
    assert "answered immediately: the moon must be made of cheese" in shown.getvalue()
