"""Callers that arrive together are processed together, and nobody waits for a caller that does not come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from consumers.store.group_commit import GroupCommit

if TYPE_CHECKING:
    from collections.abc import Sequence


def a_group_commit(groups: list[list[int]], *, quiet_turns: int, max_weight: int = 100) -> GroupCommit[int, int]:
    """Return one that records its groups; each caller gets its own number."""

    async def process(group: Sequence[int]) -> Sequence[int]:
        groups.append([*group])
        return group

    return GroupCommit(process, max_weight=max_weight, quiet_turns=quiet_turns)


async def after(turns: int, commit: GroupCommit[int, int]) -> int:
    """Submit a number after so many turns of the event loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
    return await commit.submit(turns)


@pytest.mark.parametrize(("quiet_turns", "first_group"), [(0, [0]), (3, [0, 2, 4])])
async def test_callers_of_the_next_turns_join_the_group(quiet_turns: int, first_group: list[int]) -> None:
    groups: list[list[int]] = []
    commit = a_group_commit(groups, quiet_turns=quiet_turns)
    assert await asyncio.gather(*(after(turns, commit) for turns in (0, 2, 4, 50))) == [0, 2, 4, 50]
    assert groups[0] == first_group
    assert sorted(number for group in groups for number in group) == [0, 2, 4, 50]


async def test_a_full_group_waits_for_nobody() -> None:
    groups: list[list[int]] = []
    commit = a_group_commit(groups, quiet_turns=1_000_000_000, max_weight=2)
    assert [*await asyncio.gather(commit.submit(1), commit.submit(2))] == [1, 2]
    assert groups == [[1, 2]]


async def test_a_caller_that_gives_up_holds_nobody() -> None:
    groups: list[list[int]] = []
    commit = a_group_commit(groups, quiet_turns=5)
    impatient = asyncio.create_task(commit.submit(1))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await commit.submit(2) == 2
    await commit.drain()
    assert groups == [[2]]
