"""A dead letter carries the original bytes and says why."""

from __future__ import annotations

from datetime import UTC, datetime

from consumers.runtime.letters import LONGEST_DETAIL, dead_letter
from consumers.runtime.policy import WorkerPolicy
from consumers.runtime.records import Partition, Record
from router.trouble import Trouble

POLICY = WorkerPolicy(role="routing", group="southbound-routing", dead_letter_topic="testrun.dlq")
NOON = datetime(2026, 11, 23, 12, 0, 0, 123_456, tzinfo=UTC)
PLACE = Partition(topic="testrun.lifecycle", number=3, epoch=9)


def test_key_value_and_headers_are_untouched_and_ours_come_after_them() -> None:
    original = (("ce_id", b"\xff\x00"), ("empty", None), ("ce_id", b"again"))
    record = Record(PLACE, 2**33, b"\x00key", b"\xc3\x01rubbish", original, 1_764_000_000_000)
    trouble = Trouble(code="UNDECODABLE", sentence="It is rubbish.", detail="line 1")
    letter = dead_letter(record, trouble, attempts=2, at=NOON, policy=POLICY)
    assert (letter.topic, letter.key, letter.value) == ("testrun.dlq", b"\x00key", b"\xc3\x01rubbish")
    assert letter.headers[:3] == original
    assert dict(letter.headers[3:]) == {
        "southbound-dlq-code": b"UNDECODABLE",
        "southbound-dlq-reason": b"It is rubbish.",
        "southbound-dlq-detail": b"line 1",
        "southbound-dlq-topic": b"testrun.lifecycle",
        "southbound-dlq-partition": b"3",
        "southbound-dlq-offset": b"8589934592",
        "southbound-dlq-timestamp": b"1764000000000",
        "southbound-dlq-attempts": b"2",
        "southbound-dlq-group": b"southbound-routing",
        "southbound-dlq-role": b"routing",
        "southbound-dlq-time": b"2026-11-23T12:00:00.123+00:00",
    }


def test_a_tombstone_without_a_key_stays_one() -> None:
    record = Record(PLACE, 0, None, None, (), 0)
    letter = dead_letter(record, Trouble(code="X", sentence="x"), attempts=1, at=NOON, policy=POLICY)
    assert (letter.key, letter.value) == (None, None)


def test_a_long_detail_leaves_room_for_the_original() -> None:
    record = Record(PLACE, 0, None, b"v", (), 0)
    trouble = Trouble(code="X", sentence="x", detail="d" * 1_000_000)
    letter = dead_letter(record, trouble, attempts=1, at=NOON, policy=POLICY)
    assert len(dict(letter.headers)["southbound-dlq-detail"] or b"") == LONGEST_DETAIL
