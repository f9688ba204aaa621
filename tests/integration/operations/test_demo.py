"""The demo runs every scenario of the main job and checks the results."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr
from rich.console import Console

from consumers.store.sql_store import open_store
from schemas.vocabulary import Phase
from southbound.demo.run_demo import run_demo
from southbound.demo.scenarios import make_scenarios
from southbound.settings.settings import KafkaSettings, RoutingSettings, Settings, StoreSettings
from tests.builders.runs import a_run
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from router.runs.run import RunRow
    from southbound.demo.scenarios import Scenario


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the scenarios take longer than a person would wait: the machine may do much else."""
    monkeypatch.setattr("southbound.demo.run_demo.DEMO_TIMEOUT", 90.0)


def test_every_scenario_of_the_demo_succeeds_and_so_does_a_second_demo(kafka_bootstrap: str) -> None:
    for _ in range(2):
        output = io.StringIO()
        assert run_demo(Settings(kafka=KafkaSettings(bootstrap=kafka_bootstrap)), Console(file=output)) == 0, (
            output.getvalue()
        )
        assert "11 of 11 scenarios ended as expected" in output.getvalue()
        assert "outbound-policy@" in output.getvalue()
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})

    def left() -> list[str]:
        groups = admin.list_consumer_groups().result(60).valid
        names = [*admin.list_topics(timeout=60).topics, *(group.group_id for group in groups)]
        return [name for name in names if name.startswith("demo-")]

    # The broker may list for a moment what was deleted.
    asyncio.run(wait_until(lambda: not left(), 60))


async def _store_rows(url: str, *rows: RunRow) -> tuple[RunRow | None, ...]:
    """Insert rows that do not exist yet, and return the stored rows."""
    store = await open_store(url)
    try:
        await store.save_each([[row] for row in rows])
        return tuple([await store.run(row.run_id) for row in rows])
    finally:
        await store.close()


def test_the_demo_does_not_change_an_operators_tables_and_store(kafka_bootstrap: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    created = a_run("TR0001", phase=Phase.CREATED, decision=None, spoke="")
    accepted = a_run("TR0002", phase=Phase.ACCEPTED, external_id="ext-TR0002")
    asyncio.run(_store_rows(url, created, accepted))
    settings = Settings(
        kafka=KafkaSettings(bootstrap=kafka_bootstrap),
        store=StoreSettings(url=SecretStr(url)),
        routing=RoutingSettings(policy=tmp_path / "own.yaml", children_deadline=0.1),
    )
    output = io.StringIO()
    assert run_demo(settings, Console(file=output)) == 0, output.getvalue()
    assert asyncio.run(_store_rows(url, created, accepted)) == (created, accepted)


def test_on_a_terminal_the_progress_of_runs_is_shown(kafka_bootstrap: str) -> None:
    output = io.StringIO()
    terminal = Console(file=output, force_terminal=True, width=160)
    assert run_demo(Settings(kafka=KafkaSettings(bootstrap=kafka_bootstrap)), terminal) == 0, output.getvalue()
    assert "Runs in progress" in output.getvalue()


def test_a_scenario_with_a_wrong_result_fails_the_demo(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(tag: str) -> tuple[Scenario, ...]:
        scenario = make_scenarios(tag)[0]
        return (replace(scenario, check=lambda _: iter(["the moon must be made of cheese"])),)

    monkeypatch.setattr("southbound.demo.run_demo.DEMO_TIMEOUT", 0.5)
    monkeypatch.setattr("southbound.demo.run_demo.make_scenarios", wrong)
    output = io.StringIO()
    assert run_demo(Settings(kafka=KafkaSettings(bootstrap=kafka_bootstrap)), Console(file=output)) == 1
    assert "answered immediately: the moon must be made of cheese" in output.getvalue()
