"""A topic that is read again shows no earlier state: a table that was replaced long ago does not decide again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.kafka.partition_reader import Batch
from consumers.table_topic.kafka_table_reader import TopicNews
from consumers.table_topic.latest_records import with_later_records
from consumers.table_topic.port import TableTopicRead

RECORDS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "1", "2"])), max_size=4)
NOTICE = Batch(notice="was not read")


@dataclass(frozen=True, slots=True)
class KeyedMessage:
    """A record with a key and a value."""

    name: str
    text: str | None

    def key(self) -> bytes:
        """Return the key."""
        return self.name.encode()

    def value(self) -> bytes | None:
        """Return the value."""
        return None if self.text is None else self.text.encode()


def a_batch(*records: tuple[str, str | None], at_end: bool = False) -> Batch:
    return Batch(records=cast("Any", [KeyedMessage(*record) for record in records]), at_end=at_end)


def test_fault_a_topic_that_was_read_again_showed_the_tables_of_long_ago() -> None:
    news = TopicNews()
    assert news.found_in(NOTICE) == TableTopicRead(problem="was not read")
    assert news.found_in(a_batch(("policy", "1"))) is None
    assert news.found_in(a_batch(("policy@2", "text"), ("gone", "1"))) is None
    found = news.found_in(a_batch(("policy", "2"), ("gone", None), at_end=True))
    assert found is not None
    assert found.entries == ((b"policy@2", b"text"), (b"policy", b"2"), (b"gone", None))
    assert news.found_in(a_batch(("policy", "3"))) == TableTopicRead(entries=((b"policy", b"3"),))


@given(before=RECORDS, interrupted=RECORDS, batches=st.lists(RECORDS, min_size=1, max_size=4))
def test_what_is_read_again_leads_to_the_same_state_in_one_step(
    before: list[tuple[str, str | None]],
    interrupted: list[tuple[str, str | None]],
    batches: list[list[tuple[str, str | None]]],
) -> None:
    news, last = TopicNews(), len(batches) - 1
    first = news.found_in(a_batch(*before, at_end=True))
    assert first is not None
    for batch in (NOTICE, a_batch(*interrupted), NOTICE):
        assert not (found := news.found_in(batch)) or not found.entries
    reads = [news.found_in(a_batch(*batch, at_end=number == last)) for number, batch in enumerate(batches)]
    assert reads[:-1] == [None] * last
    assert reads[-1] is not None
    known = with_later_records({}, first.entries, lambda _, value: value)
    written = [(name.encode(), text.encode() if text else None) for batch in batches for name, text in batch]
    as_written = with_later_records(known, written, lambda _, value: value)
    assert with_later_records(known, reads[-1].entries, lambda _, value: value) == as_written
