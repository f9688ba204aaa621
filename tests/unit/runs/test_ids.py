"""The same cause always gets the same id, and different causes never share one."""

from __future__ import annotations

from itertools import pairwise
from uuid import uuid5

from hypothesis import given
from hypothesis import strategies as st

from router.runs.ids import ID_NAMESPACE, derive_event_id, event_id_at, idempotency_key, measure_id, request_id_of
from schemas.commands import CancelRun, ChangeRun, SendRun
from tests.builders.runs import SINGLE, a_document

WORDS = st.text(max_size=12)


def a_send(version: int = 1, run_id: str = "TR0001", request_id: str = "RQ0001") -> SendRun:
    document = a_document(run_id, version=version)
    return SendRun(run=document, request_id=request_id, spoke="fibre-lab", decision=SINGLE)


def a_change(version: int = 2) -> ChangeRun:
    document = a_document(version=version)
    return ChangeRun(run=document, request_id="RQ0001", spoke="fibre-lab", decision=SINGLE)


def a_cancel() -> CancelRun:
    return CancelRun(run_id="TR0001", root_run_id="TR0001", request_id="RQ0001", spoke="fibre-lab", decision=SINGLE)


def test_ids_are_frozen_because_other_services_keep_them() -> None:
    assert derive_event_id("e-1", "result:TR0001") == "7d95bcc8-a57a-5701-b7ee-389018dab2a1"
    assert event_id_at("testrun.lifecycle", 3, 42) == "c23b5869-ed08-59b1-b355-b6e0c4233ff0"
    assert request_id_of("TR0001", 1) == "4d34ab8e-026d-5cd1-8010-bd8e8405539c"
    assert measure_id("fibre-lab", "ext-1", "Flow speed") == "2319880d-18e3-5aa4-9700-1ba17a88abe4"
    assert idempotency_key(a_send()) == "9e30b341-f28c-516a-99b2-2f299c65a71e"


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


def test_every_attempt_and_redrive_of_a_command_carries_one_key() -> None:
    assert idempotency_key(a_send()) == idempotency_key(SendRun.model_validate_json(a_send().model_dump_json()))


def test_different_commands_never_share_a_key() -> None:
    commands = (
        a_send(),
        a_send(version=2),
        a_send(run_id="TR0002"),
        a_send(request_id="RQ0002"),
        a_change(version=2),
        a_change(version=3),
        a_cancel(),
    )
    assert len({idempotency_key(command) for command in commands}) == len(commands)


def test_each_version_of_a_root_is_a_request_of_its_own() -> None:
    ids = [request_id_of("TR0001", version) for version in range(1, 30)]
    assert all(first != second for first, second in pairwise(ids))
    assert len(set(ids)) == len(ids)
