"""A process without workers is not ready while no broker answers it, although nothing else would tell."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumers.runtime.broker_check import BrokerCheck
from consumers.runtime.worker import UNREADY_AFTER

if TYPE_CHECKING:
    import pytest


@dataclass(slots=True)
class ABroker:
    """A broker that answers, or not; it hangs until `goes_on` is set."""

    answers: bool = True
    questions: int = 0
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.goes_on.set()

    async def __call__(self, _max_wait: float) -> bool:
        self.questions += 1
        self.asked.set()
        await self.goes_on.wait()
        return self.answers


@dataclass(slots=True)
class ATime:
    """A clock that the test sets."""

    at: float = 100.0

    def __call__(self) -> float:
        return self.at


async def test_fault_a_process_without_workers_is_not_ready_while_the_broker_is_dead() -> None:
    broker, time = ABroker(), ATime()
    check = BrokerCheck(broker, time)
    assert await check() is None
    broker.answers = False
    time.at += UNREADY_AFTER
    assert await check() is None
    time.at += 1
    assert (await check() or "").startswith("no broker has answered the publisher for 11 s")
    broker.answers = True
    assert await check() is None


async def test_a_broker_that_answers_is_ready_however_seldom_the_probe_comes() -> None:
    time = ATime()
    check = BrokerCheck(ABroker(), time)
    time.at += 3_600
    assert await check() is None


async def test_an_answer_counts_as_of_its_question() -> None:
    broker, time = ABroker(), ATime()
    check = BrokerCheck(broker, time)
    time.at += 2 * UNREADY_AFTER
    broker.goes_on.clear()
    asking = asyncio.create_task(check())
    await broker.asked.wait()
    time.at += UNREADY_AFTER + 1
    broker.goes_on.set()
    assert "no broker has answered" in (await asking or "")


async def test_many_probes_at_once_ask_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumers.runtime.broker_check.ANSWER_TIMEOUT", 0.0)
    broker, time = ABroker(), ATime()
    broker.goes_on.clear()
    check = BrokerCheck(broker, time)
    time.at += 2 * UNREADY_AFTER
    told = await asyncio.gather(*[check() for _ in range(100)])
    assert {sentence is None for sentence in told} == {False}
    assert broker.questions == 1
    broker.goes_on.set()
    assert await check() is None


async def test_probes_right_after_an_answer_ask_nothing() -> None:
    broker = ABroker()
    check = BrokerCheck(broker, ATime())
    assert [await check() for _ in range(100)] == [None] * 100
    assert broker.questions == 0
