"""The same cause always gets the same id, and different causes never share one."""

from __future__ import annotations

from itertools import pairwise
from uuid import RFC_4122, UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from router.runs.ids import (
    ID_NAMESPACE,
    derive_event_id,
    event_id_at,
    idempotency_key,
    measure_id,
    request_id_of,
    time_ordered_id,
)

WORDS = st.text(max_size=12)


def test_ids_are_frozen_because_other_services_keep_them() -> None:
    assert derive_event_id("e-1", "result:TR0001") == "7d95bcc8-a57a-5701-b7ee-389018dab2a1"
    assert event_id_at("testrun.lifecycle", 3, 42) == "c23b5869-ed08-59b1-b355-b6e0c4233ff0"
    assert request_id_of("TR0001", 1) == "4d34ab8e-026d-5cd1-8010-bd8e8405539c"
    assert measure_id("fibre-lab", "ext-1", "Flow speed") == "2319880d-18e3-5aa4-9700-1ba17a88abe4"
    assert idempotency_key("RQ0001", "TR0001", b"{}") == "bb2211e5-15ec-569f-b4e6-2f049bf79df4"


@given(WORDS, WORDS, WORDS, WORDS)
def test_two_pairs_share_an_id_only_if_they_are_equal(a: str, b: str, c: str, d: str) -> None:
    assert (derive_event_id(a, b) == derive_event_id(c, d)) is ((a, b) == (c, d))


@given(WORDS, st.integers(0, 9), st.integers(0, 99))
def test_parts_of_an_id_with_the_same_concatenation_give_different_ids(topic: str, partition: int, offset: int) -> None:
    here = event_id_at(topic, partition, offset)
    assert here != event_id_at(f"{topic}{partition}", offset, partition)
    assert here not in {derive_event_id(topic, f"{partition}{offset}"), request_id_of(topic, partition)}


@given(WORDS, WORDS)
def test_every_id_is_a_uuid_of_version_five(cause: str, role: str) -> None:
    name = f"5:event{len(cause)}:{cause}{len(role)}:{role}"
    assert derive_event_id(cause, role) == str(uuid5(ID_NAMESPACE, name))


@given(WORDS, WORDS, st.binary(), WORDS, WORDS, st.binary())
def test_a_key_belongs_to_one_run_and_one_body(a: str, b: str, body: bytes, c: str, d: str, other: bytes) -> None:
    assert (idempotency_key(a, b, body) == idempotency_key(c, d, other)) is ((a, b, body) == (c, d, other))


def test_each_version_of_a_root_is_a_request_of_its_own() -> None:
    ids = [request_id_of("TR0001", version) for version in range(1, 30)]
    assert all(first != second for first, second in pairwise(ids))
    assert len(set(ids)) == len(ids)


MILLISECONDS = st.integers(0, 2**48 - 1)
TEN_BYTES = st.binary(min_size=10, max_size=10)


@given(MILLISECONDS, TEN_BYTES)
def test_an_id_by_time_is_a_uuid_of_version_7(milliseconds: int, random: bytes) -> None:
    made = time_ordered_id(milliseconds, random)
    read = UUID(made)
    assert (str(read), read.version, read.variant) == (made, 7, RFC_4122)
    assert read.int >> 80 == milliseconds


@given(MILLISECONDS, MILLISECONDS, TEN_BYTES, TEN_BYTES)
def test_ids_are_ordered_by_their_time(first: int, second: int, one: bytes, other: bytes) -> None:
    if first != second:
        assert (time_ordered_id(first, one) < time_ordered_id(second, other)) is (first < second)


@given(TEN_BYTES, TEN_BYTES)
def test_ids_of_one_moment_differ_if_their_random_bytes_do(one: bytes, other: bytes) -> None:
    # Six of the 80 bits are the version's and the variant's: the last four, and two in the middle.
    kept = [bits >> 4 & ~(3 << 62) for bits in (int.from_bytes(one), int.from_bytes(other))]
    assert (time_ordered_id(0, one) == time_ordered_id(0, other)) is (kept[0] == kept[1])
