"""The contract of every store of specifications, and of the copier that fills it from the topic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from consumers.specifications.published_specifications import PublishedSpecifications
from consumers.specifications.store_copy import SpecificationCopier
from consumers.store.specifications.port import SpecificationChanges
from schemas.published_tables import SpecificationRecord
from tests.builders.specifications import a_specification_document
from tests.contract.store.test_every_run_store import store  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from consumers.store.port import RunStore
    from consumers.store.specifications.port import SpecificationStore
    from consumers.table_topic.port import Entry

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
AN_HOUR_AGO = int((NOW - timedelta(hours=1)).timestamp() * 1000)


@pytest.fixture
def specifications(store: RunStore) -> SpecificationStore:  # noqa: F811 - the fixture
    """A store without specifications."""
    return store.specifications


def a_record(spec_id: str = "A", revision: int = AN_HOUR_AGO, *measures: str) -> SpecificationRecord:
    document = a_specification_document(spec_id, *measures, description="with \0 and ü")
    return SpecificationRecord(id=spec_id, revision=revision, author="ann", changed_at=NOW, document=document)


def entry(record: SpecificationRecord) -> Entry:
    return record.id.encode(), record.model_dump_json().encode()


def published(*records: SpecificationRecord) -> PublishedSpecifications:
    return PublishedSpecifications().with_records(map(entry, records))


async def test_a_written_specification_is_read_back_whole(specifications: SpecificationStore) -> None:
    await specifications.save(SpecificationChanges(written=[a_record("B"), a_record("A")]))
    assert await specifications.get("A") == a_record("A")
    assert await specifications.get("C") is None
    assert await specifications.page("", 1) == [a_record("A")]
    assert await specifications.page("A", 9) == [a_record("B")]
    assert await specifications.revisions() == {"A": AN_HOUR_AGO, "B": AN_HOUR_AGO}


async def test_an_older_revision_does_not_replace_a_newer_one(specifications: SpecificationStore) -> None:
    await specifications.save(SpecificationChanges(written=[a_record("A", 2, "new")]))
    await specifications.save(SpecificationChanges(written=[a_record("A", 1, "old")]))
    assert await specifications.get("A") == a_record("A", 2, "new")


async def test_a_deleted_specification_does_not_come_back_with_an_older_revision(
    specifications: SpecificationStore,
) -> None:
    await specifications.save(SpecificationChanges(written=[a_record("A", 2)]))
    await specifications.save(SpecificationChanges(deleted={"A": 1, "unknown": 1}))
    assert await specifications.get("A") == a_record("A", 2)
    await specifications.save(SpecificationChanges(deleted={"A": 2}))
    await specifications.save(SpecificationChanges(written=[a_record("A", 1), a_record("A", 2)]))
    assert await specifications.get("A") is None
    assert await specifications.page("", 9) == []
    assert (await specifications.last_revision("A"), await specifications.last_revision("unknown")) == (2, 0)
    await specifications.save(SpecificationChanges(written=[a_record("A", 3)]))
    assert await specifications.revisions() == {"A": 3}


async def test_the_store_becomes_a_copy_of_the_topic(specifications: SpecificationStore) -> None:
    states: list[PublishedSpecifications | None] = [None]
    copier = SpecificationCopier(published=lambda: states[-1], store=specifications, now=lambda: NOW, warn=print)
    just_now = int(NOW.timestamp() * 1000)
    left_over, by_another = a_record("left over"), a_record("not read yet", just_now)
    await specifications.save(SpecificationChanges(written=[left_over, by_another]))
    await copier.copy()
    assert len(await specifications.revisions()) == 2
    first = published(a_record("A"), a_record("B"))
    second = first.with_records([entry(a_record("A", AN_HOUR_AGO + 1)), entry(by_another), (b"B", None)])
    for state, ids in ((first, {"A", "B", "not read yet"}), (second, {"A", "not read yet"})):
        states.append(state)
        await copier.copy()
        assert (await specifications.revisions()).keys() == ids
    assert await specifications.get("A") == a_record("A", AN_HOUR_AGO + 1)


async def test_fault_a_change_and_the_deletion_after_it_are_copied_together(
    specifications: SpecificationStore,
) -> None:
    """The process that wrote the change has stored it already; its revision is greater than the one known here."""
    state = published(a_record("A"))
    copier = SpecificationCopier(published=lambda: state, store=specifications, now=lambda: NOW, warn=print)
    await copier.copy()
    changed, short_lived = a_record("A", AN_HOUR_AGO + 1), a_record("B", int(NOW.timestamp() * 1000))
    await specifications.save(SpecificationChanges(written=[changed, short_lived]))
    state = state.with_records([entry(changed), entry(short_lived), (b"A", None), (b"B", None)])
    await copier.copy()
    assert await specifications.revisions() == {}


async def test_a_new_process_deletes_what_it_has_seen_deleted(specifications: SpecificationStore) -> None:
    just_now = a_record("A", int(NOW.timestamp() * 1000))
    await specifications.save(SpecificationChanges(written=[just_now]))
    state = PublishedSpecifications().with_records([entry(just_now), (b"A", None)])
    await SpecificationCopier(published=lambda: state, store=specifications, now=lambda: NOW, warn=print).copy()
    assert await specifications.revisions() == {}
