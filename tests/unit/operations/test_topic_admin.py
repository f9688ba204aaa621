"""Commands report how an existing topic differs from the declared one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.topics import all_topics
from southbound.operations.topic_admin import format_retention, topic_differences

DEAD_LETTER_TOPIC = next(topic for topic in all_topics() if topic.name.endswith("dlq"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"partitions": 1}, "testrun.dlq has 1 partition, not 3"),
        ({"cleanup": "compact"}, "testrun.dlq has cleanup.policy compact, not delete: events could be deleted"),
        ({"cleanup": "compact,delete", "retention_ms": 1}, "testrun.dlq has cleanup.policy compact,delete"),
        ({"max_message_bytes": 2_000}, "testrun.dlq has max.message.bytes 2000, not 8388608"),
    ],
)
def test_each_difference_is_one_sentence(change: dict[str, object], expected: str) -> None:
    (sentence,) = topic_differences(DEAD_LETTER_TOPIC, replace(DEAD_LETTER_TOPIC, **change))  # type: ignore[arg-type] # fields of a topic
    assert sentence.startswith(expected)


def test_a_shorter_retention_of_dead_letters_is_a_difference() -> None:
    (sentence,) = topic_differences(DEAD_LETTER_TOPIC, replace(DEAD_LETTER_TOPIC, retention_ms=1_000))
    assert sentence.startswith("testrun.dlq keeps records for 1 second, not 90 days: unprocessed records are lost then")


@pytest.mark.parametrize("longer", [None, 91 * 86_400_000])
def test_a_longer_or_equal_retention_is_no_difference(longer: int | None) -> None:
    assert [
        *topic_differences(DEAD_LETTER_TOPIC, DEAD_LETTER_TOPIC),
        *topic_differences(DEAD_LETTER_TOPIC, replace(DEAD_LETTER_TOPIC, retention_ms=longer)),
    ] == []


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0 milliseconds"), (1, "1 millisecond"), (90_000, "1.5 minutes"), (7 * 86_400_000, "7 days"), (None, "ever")],
)
def test_a_time_is_written_in_the_largest_unit_that_it_fills(milliseconds: int | None, text: str) -> None:
    assert format_retention(milliseconds) == text
