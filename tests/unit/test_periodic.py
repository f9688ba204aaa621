"""Periodic work goes on after an outage, and ends only when it is cancelled or broken."""

from __future__ import annotations

import asyncio

import pytest

from consumers.periodic import repeat
from consumers.store.port import StoreUnavailableError
from producers.publisher import PublishError


@pytest.mark.parametrize("outage", [StoreUnavailableError("the disk is full"), PublishError("no broker")])
async def test_an_outage_is_told_and_the_work_is_done_again(outage: Exception) -> None:
    warnings: list[str] = []
    done = asyncio.Event()

    async def work() -> None:
        if not warnings:
            raise outage
        done.set()

    repeating = asyncio.create_task(repeat(work, every=0, warn=warnings.append, failure="Nothing was done"))
    await asyncio.wait_for(done.wait(), 10)
    repeating.cancel()
    assert warnings == [f"Nothing was done; this will be retried: {outage}"]


async def test_any_other_error_ends_the_work() -> None:
    async def work() -> None:
        raise ValueError("a mistake in the code")

    with pytest.raises(ValueError, match="a mistake"):
        await asyncio.wait_for(repeat(work, every=0, warn=print, failure="Nothing was done"), 10)


async def test_a_pause_that_is_a_function_is_asked_for_after_each_round() -> None:
    rounds: list[str] = []
    enough = asyncio.Event()

    async def work() -> None:
        rounds.append("work")

    def pause() -> float:
        rounds.append("pause")
        if len(rounds) == 4:
            enough.set()
        return 0.0

    repeating = asyncio.create_task(repeat(work, every=pause, warn=print, failure="Nothing was done"))
    await asyncio.wait_for(enough.wait(), 10)
    repeating.cancel()
    assert rounds[:4] == ["work", "pause"] * 2
