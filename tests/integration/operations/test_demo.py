"""The demo runs every scenario of the main job and checks the results."""

from __future__ import annotations

import asyncio
import io
import logging
import re
from dataclasses import replace
from secrets import token_urlsafe
from typing import TYPE_CHECKING

import pytest
import structlog
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr
from rich.console import Console

from consumers.northbound.access.api_keys import digest_of, generate_key
from consumers.store.sql_store import open_store
from schemas.vocabulary import Phase
from southbound.demo.run_demo import run_demo
from southbound.demo.scenarios import make_scenarios
from southbound.operations.local_processes import show_demo
from southbound.service.logs import configure_logs
from southbound.settings.settings import KafkaSettings, LogSettings, RoutingSettings, Settings, StoreSettings
from tests.builders.runs import a_run
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from router.runs.run import RunRow
    from southbound.demo.expectations import Scenario


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
        assert "12 of 12 scenarios ended as expected" in output.getvalue()
        assert "outbound-policy@" in output.getvalue()
        the_story_of_the_service_desk_is_shown(output.getvalue())
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})

    def left() -> list[str]:
        groups = admin.list_consumer_groups().result(60).valid
        names = [*admin.list_topics(timeout=60).topics, *(group.group_id for group in groups)]
        return [name for name in names if name.startswith("demo-")]

    # The broker may list for a moment what was deleted.
    asyncio.run(wait_until(lambda: not left(), 60))


def the_story_of_the_service_desk_is_shown(output: str) -> None:
    """Check the lines of each of its runs: ordered, notified of the end, and captured with the ids of its measures."""
    for own_id in set(re.findall(r"TR-[0-9A-F]{4}-(?:DESK|SLOW)\b", output)):
        _, exchange, *_ = re.split(
            rf"^│ {own_id} ", output.partition("The service desk over HTTP")[2], flags=re.MULTILINE
        )
        ordered, *others = exchange.splitlines()
        assert re.search(r"→ POST /serviceTest +│ 201 +│ acknowledged, id [0-9a-f-]{36}", ordered)
        ended = next(line for line in others if "← ServiceTestStateChangeEvent" in line and "completed" in line)
        assert "signature verified" in ended
        record = output.partition("The table of test runs")[2].partition(own_id)[2].partition("├")[0]
        assert "completed" in record
        assert re.search(rf"{own_id}-M1 +│ downstream +│ [0-9.]+ Mbit/s", record)
        assert re.search(rf"{own_id}-M2 +│ latency +│ [0-9.]+ ms", record)
        assert ("tooSlow" in record) is own_id.endswith("SLOW")


def _configure_for_this_test(log: LogSettings, *, audit: bool) -> None:
    """Configure the logs as the demo does; a logger that is used must not keep that for the tests that follow."""
    configure_logs(log, audit=audit)
    structlog.configure(**{**structlog.get_config(), "cache_logger_on_first_use": False})


def test_the_secrets_of_the_demo_are_new_and_are_not_shown(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    keys = [generate_key(), generate_key()]
    signing = token_urlsafe(32)
    monkeypatch.setattr("southbound.demo.environment.generate_key", keys.pop)
    monkeypatch.setattr("southbound.demo.environment.token_urlsafe", lambda _: signing)
    [api_key] = keys[-1:]
    monkeypatch.setattr("southbound.operations.local_processes.configure_logs", _configure_for_this_test)
    before, handlers = structlog.get_config(), [*logging.getLogger().handlers]
    try:
        assert show_demo(Settings(kafka=KafkaSettings(bootstrap=kafka_bootstrap))) == 0
    finally:
        structlog.configure(**before)
        logging.getLogger().handlers = handlers
    assert len(keys) == 1
    out, err = capfd.readouterr()
    assert "12 of 12 scenarios ended as expected" in out
    assert err == ""  # not even the audit log of the orders
    assert [secret for secret in (api_key, digest_of(api_key).hex(), signing, "whsec_") if secret in out] == []


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
