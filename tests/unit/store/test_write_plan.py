"""The parts of the run store that do no I/O: write plans, group commit, document cache and addresses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.store.databases.address import database_at
from consumers.store.document_cache import DocumentCache
from consumers.store.group_commit import GroupCommit
from consumers.store.write_plan import RunWrite, Save, StoredRevision, plan_writes
from tests.builders.runs import a_document

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ids = st.sampled_from("ABCD")
moves = st.builds(
    RunWrite,
    run_id=ids,
    revision=st.integers(1, 4),
    spoke=st.just("fibre-lab"),
    external_id=st.none(),
    values=st.just(()),
    measures=st.just(()),
)
saves = st.builds(Save, runs=st.lists(moves, max_size=3).map(tuple), requests=st.just(()))
kept = st.dictionaries(ids, st.builds(StoredRevision, revision=st.integers(1, 3), measure_count=st.just(0)))


@given(saves=st.lists(saves, max_size=8), kept=kept)
def test_saves_that_share_a_transaction_have_the_same_results_as_single_ones(
    saves: list[Save], kept: dict[str, StoredRevision]
) -> None:
    together = plan_writes(saves, kept)
    alone, answers = dict(kept), []
    for save in saves:
        plan = plan_writes([save], alone)
        answers += [answer is None for answer in plan.results]
        alone |= {m.run_id: StoredRevision(revision=m.revision, measure_count=0) for m in plan.runs}
    assert [answer is None for answer in together.results] == answers
    written = {move.run_id: move.revision for move in together.runs}
    assert {run_id: run.revision for run_id, run in kept.items()} | written == {
        run_id: run.revision for run_id, run in alone.items()
    }
    assert not together.new.keys() & kept.keys()
    assert together.changed.keys() <= kept.keys()


class DoublingBatch:
    """Doubles numbers batch by batch and records the batches."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.open = asyncio.Event()

    async def double(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(numbers))
        await self.open.wait()
        if 13 in numbers:
            raise ValueError("13 is not cooked here")
        return [n * 2 if n != 4 else KeyError(n) for n in numbers]


async def test_items_submitted_during_a_group_share_the_next_one() -> None:
    kitchen = DoublingBatch()
    grouping = GroupCommit(kitchen.double, max_weight=3)
    first = asyncio.ensure_future(grouping.submit(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.ensure_future(grouping.submit(n)) for n in (2, 3, 5, 6)]
    await asyncio.sleep(0)
    kitchen.open.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 10, 12]
    assert kitchen.groups == [[1], [2, 3, 5], [6]]


async def test_heavy_items_fill_a_group_sooner() -> None:
    kitchen = DoublingBatch()
    kitchen.open.set()
    grouping = GroupCommit(kitchen.double, max_weight=10, weight=lambda n: n)
    await asyncio.gather(*map(grouping.submit, (6, 5, 7, 100, 1)))
    assert kitchen.groups == [[6, 5], [7, 100], [1]]


async def test_one_result_of_a_group_may_be_an_error() -> None:
    kitchen = DoublingBatch()
    kitchen.open.set()
    grouping = GroupCommit(kitchen.double, max_weight=9)
    answers = await asyncio.gather(*map(grouping.submit, (3, 4, 5)), return_exceptions=True)
    assert [answers[0], type(answers[1]), answers[2]] == [6, KeyError, 10]


async def test_the_error_of_a_group_reaches_each_caller_and_ends_there() -> None:
    kitchen = DoublingBatch()
    kitchen.open.set()
    grouping = GroupCommit(kitchen.double, max_weight=9)
    answers = await asyncio.gather(*map(grouping.submit, (12, 13)), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["13 is not cooked here"] * 2
    assert answers[0] is not answers[1]
    assert await grouping.submit(1) == 2


class ProcessEndingError(BaseException):
    """The process is ending."""


async def test_the_end_of_the_process_during_a_group_leaves_no_caller_waiting() -> None:
    async def die(_: Sequence[int]) -> list[int | Exception]:
        raise ProcessEndingError

    grouping = GroupCommit(die, max_weight=1)
    answers = await asyncio.gather(*map(grouping.submit, (1, 2)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ProcessEndingError, asyncio.CancelledError]


async def test_an_error_that_cannot_be_copied_leaves_no_caller_waiting() -> None:
    class StubbornError(Exception):
        def __init__(self, first: str, second: str) -> None:
            super().__init__(f"{first} {second}")

    async def fail(_: Sequence[int]) -> list[int | Exception]:
        raise StubbornError("no", "copy")

    grouping = GroupCommit(fail, max_weight=2)
    answers = await asyncio.gather(*map(grouping.submit, (1, 2)), return_exceptions=True)
    assert all(isinstance(answer, BaseException) for answer in answers)


def test_a_document_is_parsed_and_written_once() -> None:
    remembered = DocumentCache()
    text = remembered.write(a_document())
    assert remembered.read(text) is remembered.read(text)
    assert remembered.write(remembered.read(text)) is text


@given(sizes=st.lists(st.integers(0, 400), max_size=20))
def test_the_document_cache_is_bounded_and_correct(sizes: list[int]) -> None:
    remembered = DocumentCache(max_characters=1000)
    for number, size in enumerate(sizes):
        document = a_document(f"TR{number}", description="x" * size)
        assert remembered.read(remembered.write(document)) == document
    assert sum(map(len, remembered._documents)) <= 1000
    assert sorted(remembered._texts.values()) == sorted(remembered._documents)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("mysql://u:s3cret@h/d", "not in 'mysql'"),
        ("s3cret", "cannot be read"),
        ("sqlite://", "name a file"),
        ("sqlite:///:memory:", "name a file"),
    ],
)
def test_an_invalid_address_is_explained_without_its_password(address: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        database_at(address)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+aiosqlite", "sqlite+pysqlite"])
def test_sqlite_may_be_spelled_with_any_driver(scheme: str, tmp_path: Path) -> None:
    assert database_at(f"{scheme}:///{tmp_path}/runs.db").name == f"SQLite {tmp_path}/runs.db"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg"])
def test_postgresql_may_be_spelled_as_people_do(scheme: str) -> None:
    assert database_at(f"{scheme}://u:s3cret@h/runs?sslmode=require").name == "PostgreSQL h:5432/runs"
