"""What is written to the topic of specifications, and what is made of what is read there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.specifications import published_specifications
from consumers.specifications.live_specifications import LiveSpecifications
from consumers.specifications.published_specifications import (
    PublishedSpecifications,
    RefusedSpecificationError,
    plan_apply,
    plan_delete,
)
from consumers.table_topic.port import TableTopicRead
from consumers.table_topic.publish_plan import Authorship, PublishPlan
from tests.builders.specifications import a_specification_document

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ANN = Authorship(author="ann", comment="why", at=NOW)


def after(published: PublishedSpecifications, plan: PublishPlan) -> PublishedSpecifications:
    return published.with_records([(key.encode(), value) for key, value in plan.records.items()])


def applied(*documents: dict[str, object]) -> PublishedSpecifications:
    empty = PublishedSpecifications()
    return after(empty, plan_apply(empty, documents, ANN)[0])


def test_an_applied_specification_is_read_back_as_it_was_written() -> None:
    document = a_specification_document("A", "TM-1", note={"kept": [1, None, " as it is "]})
    known = applied(document).readable["A"]
    assert known.record.document == document
    assert (known.record.author, known.record.comment, known.record.changed_at) == ("ann", "why", NOW)
    assert known.applied.revision == known.record.revision


def test_what_is_there_already_is_not_written_again() -> None:
    same, other = a_specification_document("A"), a_specification_document("B")
    plan, written = plan_apply(applied(same), [same, other], ANN)
    assert [*plan.records] == ["B"] == [record.id for record in written]


def test_a_default_that_changes_from_1_to_true_is_written() -> None:
    one, true = (
        a_specification_document("A", specCharacteristic=[{"name": "auto", "default": value}]) for value in (1, True)
    )
    assert plan_apply(applied(one), [one], ANN)[1] == []
    assert [record.document for record in plan_apply(applied(one), [true], ANN)[1]] == [true]


@given(st.lists(st.sampled_from(["apply", "delete"]), max_size=6), st.integers(-3, 3))
def test_revisions_grow_also_over_deletions_and_if_the_clock_stands(steps: list[str], seconds: int) -> None:
    published, last = PublishedSpecifications(), -1
    at = NOW
    for number, step in enumerate(steps):
        if step == "delete" and published.records:
            published = after(published, plan_delete(published, "A"))
            at += timedelta(seconds=1)
        elif step == "apply":
            authorship = Authorship(author="ann", at=at + timedelta(seconds=seconds if published.records else 0))
            document = a_specification_document("A", version=str(number))
            published = after(published, plan_apply(published, [document], authorship)[0])
            assert published.readable["A"].record.revision > last
            last = published.readable["A"].record.revision
            at = max(at, authorship.at)


def test_all_mistakes_of_all_documents_are_named_and_nothing_is_planned() -> None:
    documents = [
        a_specification_document("A"),
        {"id": "B"},
        a_specification_document("A"),
        {"name": "no id", "relatedServiceSpecification": [{"id": "x"}]},
        a_specification_document("large", note="x" * 300_000),
    ]
    with pytest.raises(RefusedSpecificationError) as caught:
        plan_apply(PublishedSpecifications(), documents, ANN)
    assert caught.value.sentences == (
        "specification B: /name: is missing",
        "specification B: /relatedServiceSpecification: is missing",
        "specification A is there twice: remove one",
        "specification no id: /id: is missing",
        "specification large would take 300,249 bytes: 262,144 fit",
    )


def test_there_is_a_limit_of_specifications(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_specifications, "MAX_SPECIFICATIONS", 2)
    published = applied(a_specification_document("A"), a_specification_document("B"))
    plan_apply(published, [a_specification_document("B", version="2")], ANN)
    with pytest.raises(RefusedSpecificationError, match="more than 2 specifications"):
        plan_apply(published, [a_specification_document("C")], ANN)


def test_a_plan_is_outdated_if_the_same_specification_was_changed_meanwhile() -> None:
    published = applied(a_specification_document("A"))
    plan, _ = plan_apply(published, [a_specification_document("A", version="2")], ANN)
    assert plan.is_current(published)
    assert plan.is_current(after(published, plan_apply(published, [a_specification_document("B")], ANN)[0]))
    newer = plan_apply(published, [a_specification_document("A", version="3")], ANN)[0]
    assert not plan.is_current(after(published, newer))


def test_an_unknown_specification_cannot_be_deleted() -> None:
    with pytest.raises(RefusedSpecificationError, match="no specification A is known"):
        plan_delete(PublishedSpecifications(), "A")


@pytest.mark.parametrize("value", [b"", b"{}", b"[1]", b'{"id":"A","revision":1}', b"\xff"])
def test_a_record_that_cannot_be_read_is_named_and_the_others_are_used(value: bytes) -> None:
    published = applied(a_specification_document("B")).with_records([(b"A", value)])
    assert [*published.readable] == ["B"]
    assert published.unreadable["A"].startswith("specification A cannot be read: ")


def test_a_record_under_another_key_is_not_used() -> None:
    plan, _ = plan_apply(PublishedSpecifications(), [a_specification_document("A")], ANN)
    published = PublishedSpecifications().with_records([(b"B", plan.records["A"])])
    assert published.unreadable == {"B": "record B contains the specification A"}


class Noted:
    """Notes what is reported."""

    def __init__(self) -> None:
        self.known: list[int] = []
        self.problems: list[str] = []

    def specifications_known(self, known: int, unreadable: object) -> None:
        assert not unreadable
        self.known.append(known)

    def follow_failed(self, reason: str) -> None:
        self.problems.append(reason)


async def test_nothing_is_known_before_the_topic_was_read_to_its_end() -> None:
    noted = Noted()
    live = LiveSpecifications(noted)
    plan, _ = plan_apply(PublishedSpecifications(), [a_specification_document("A")], ANN)
    entries = tuple((key.encode(), value) for key, value in plan.records.items())
    await live.process(TableTopicRead(problem="Kafka is away"))
    assert (live.missing, noted.problems) == ("Kafka is away", ["Kafka is away"])
    await live.process(TableTopicRead(entries=entries))
    assert (live.missing, dict(live.known()), live.published()) == (
        "the topic of specifications is being read",
        {},
        None,
    )
    await live.process(TableTopicRead(at_end=True))
    assert (live.missing, [*live.known()], noted.known) == (None, ["A"], [1])
    await live.process(TableTopicRead(entries=((b"A", None),), at_end=True))
    assert (dict(live.known()), noted.known) == ({}, [1, 0])
