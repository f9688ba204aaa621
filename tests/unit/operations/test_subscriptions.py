"""Operators see how deliveries go, and resume or delete subscriptions."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from consumers.store.sql_store import open_store
from consumers.store.subscriptions.port import Failure, SubscriptionLimits
from southbound.exit_codes import CommandFailedError
from southbound.operations.subscriptions import (
    delete_subscription,
    list_subscriptions,
    resume_subscription,
    show_subscription,
)
from southbound.settings.settings import Settings, StoreSettings
from tests.builders.runs import NOON
from tests.builders.subscriptions import a_subscription

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings of a store with a parked subscription, whose callback has a token."""
    address = f"sqlite:///{tmp_path}/runs.db"

    async def prepare() -> None:
        store = await open_store(address)
        subscription = a_subscription(callback="https://orders.example/listener?token=hidden")
        await store.subscriptions.add(subscription, "one", SubscriptionLimits(10, 10))
        await store.subscriptions.fail("S1", Failure("it answered with 410", 3, NOON, NOON, parked=True))
        await store.close()

    asyncio.run(prepare())
    return Settings(store=StoreSettings(url=SecretStr(address)))


def test_a_list_shows_what_is_parked_and_why_and_no_token(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list_subscriptions(settings, as_json=False) == 0
    assert show_subscription(settings, "S1", as_json=False) == 0
    assert list_subscriptions(settings, as_json=True) == 0
    shown = capsys.readouterr().out
    assert "parked" in shown
    assert "it answered with 410" in shown
    assert "hidden" not in shown
    assert json.loads(shown.splitlines()[-1])["failures_in_a_row"] == 3


def test_the_list_has_the_whole_id_of_a_subscription_on_a_narrow_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    address = f"sqlite:///{tmp_path}/runs.db"

    async def prepare() -> None:
        store = await open_store(address)
        await store.subscriptions.add(
            a_subscription("79a13d2f-6455-4671-b384-b75510ae7382"), "one", SubscriptionLimits(10, 10)
        )
        await store.close()

    asyncio.run(prepare())
    assert list_subscriptions(Settings(store=StoreSettings(url=SecretStr(address))), as_json=False) == 0
    assert "79a13d2f-6455-4671-b384-b75510ae7382" in capsys.readouterr().out


def test_a_subscription_is_resumed_and_deleted(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert resume_subscription(settings, "S1") == 0
    assert show_subscription(settings, "S1", as_json=True) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["state"] == "active"
    assert delete_subscription(settings, "S1") == 0
    for command in (resume_subscription, delete_subscription):
        with pytest.raises(CommandFailedError, match="There is no subscription S1"):
            command(settings, "S1")
