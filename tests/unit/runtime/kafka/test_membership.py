"""A worker is certain of its membership only while the group cannot have replaced it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.kafka.membership import (
    HeartbeatSample,
    Membership,
    proof_duration,
    read_sample,
    statistics_interval,
)

SESSION_TIMEOUT = 10.0
HEARTBEAT_INTERVAL = 2.0
SAMPLE_INTERVAL = 0.5


def a_sample(at: float, heartbeats: int, *, unanswered: int = 0, steady: bool = True, lost: int = 0) -> HeartbeatSample:
    return HeartbeatSample(at=at, steady=steady, heartbeats=heartbeats, unanswered=unanswered, connection=(1, lost))


@dataclass
class Group:
    """A member and its coordinator, which answers as long as the test says so."""

    member: Membership
    now: float = 0.0
    heartbeats: int = 0
    unanswered: int = 0

    def go_on(self, seconds: float, *, answers: bool = True, steady: bool = True) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += SAMPLE_INTERVAL
            self.member.polled(self.now, drained=True)
            if self.now % HEARTBEAT_INTERVAL == 0 and not self.unanswered:
                self.heartbeats += 1
                self.unanswered = 1
            if answers:
                self.unanswered = 0
            self.member.sampled(a_sample(self.now, self.heartbeats, unanswered=self.unanswered, steady=steady))

    def stall(self, seconds: float) -> None:
        self.now += seconds

    @property
    def certain(self) -> bool:
        return self.now - self.member.proven_at < proof_duration(SESSION_TIMEOUT)


@pytest.fixture
def group() -> Group:
    group = Group(Membership(0.0))
    group.go_on(20.0)
    return group


def test_answered_heartbeats_keep_the_membership_certain(group: Group) -> None:
    assert group.certain
    group.go_on(60.0)
    assert group.certain


def test_polls_without_an_answer_of_the_broker_prove_nothing(group: Group) -> None:
    cut_at = group.now
    group.go_on(30.0, answers=False)
    assert group.member.proven_at <= cut_at
    assert not group.certain


def test_a_heartbeat_proves_membership_as_of_before_it_was_sent() -> None:
    member = Membership(-100.0)
    for at, heartbeats, unanswered in ((0.0, 1, 0), (1.0, 2, 1), (2.0, 2, 1), (3.0, 2, 0), (4.0, 2, 0)):
        assert member.proven_at == -100.0
        member.sampled(a_sample(at, heartbeats, unanswered=unanswered))
    assert member.proven_at == 0.0


def test_an_answer_that_says_that_the_member_is_out_proves_nothing() -> None:
    member = Membership(-100.0)
    member.sampled(a_sample(0.0, 1))
    member.sampled(a_sample(1.0, 2))
    member.sampled(a_sample(2.0, 2, steady=False))  # librdkafka has seen the refusal by now
    member.sampled(a_sample(3.0, 2))
    member.sampled(a_sample(4.0, 2))
    assert member.proven_at == -100.0


def test_a_heartbeat_that_was_lost_with_its_connection_proves_nothing() -> None:
    member = Membership(-100.0)
    member.sampled(a_sample(0.0, 1))
    member.sampled(a_sample(1.0, 2, unanswered=1))
    member.sampled(a_sample(2.0, 2, lost=1))
    member.sampled(a_sample(3.0, 2, lost=1))
    member.sampled(a_sample(4.0, 2, lost=1))
    assert member.proven_at == -100.0


def test_a_poll_after_a_stall_proves_nothing(group: Group) -> None:
    group.stall(12.0)
    group.member.polled(group.now, drained=True)
    assert not group.certain


def test_a_stalled_member_is_certain_again_after_an_answered_heartbeat(group: Group) -> None:
    group.stall(12.0)
    group.go_on(0.5)
    assert not group.certain
    group.go_on(2 * HEARTBEAT_INTERVAL)
    assert group.certain


def test_an_idle_worker_is_certain_again_after_an_assignment(group: Group) -> None:
    group.stall(12.0)
    group.member.polled(group.now, drained=True)
    group.member.assigned()
    assert group.certain


def test_an_assignment_that_waited_through_the_stall_proves_nothing(group: Group) -> None:
    group.stall(12.0)
    group.member.assigned()
    assert not group.certain


def test_an_assignment_behind_records_from_before_the_stall_proves_nothing(group: Group) -> None:
    group.stall(12.0)
    group.member.polled(group.now, drained=False)
    group.member.assigned()
    assert not group.certain


def test_heartbeats_before_a_lost_membership_prove_nothing_after_it() -> None:
    member = Membership(-100.0)
    member.sampled(a_sample(0.0, 1))
    member.sampled(a_sample(1.0, 2))
    member.lost()
    member.sampled(a_sample(2.0, 2))
    member.sampled(a_sample(3.0, 2))
    assert member.proven_at == -100.0


@pytest.mark.parametrize(("sent_before", "certain"), [(0.5, True), (11.0, False)])
def test_a_commit_proves_membership_as_of_when_it_was_sent(group: Group, sent_before: float, certain: bool) -> None:  # noqa: FBT001 - a parameter of the test
    group.stall(12.0)
    group.member.committed(group.now - sent_before)
    assert group.certain is certain


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 2)), max_size=40))
def test_no_proof_is_newer_than_the_last_heartbeat_that_was_answered(
    steps: list[tuple[bool, bool, int]],
) -> None:
    member, sent_at, answered_at, heartbeats, lost, waiting = Membership(-1.0), 0.0, -1.0, 0, 0, False
    for at, (sends, steady, fate) in enumerate(steps, start=1):
        if sends and not waiting:
            heartbeats, waiting, sent_at = heartbeats + 1, True, at - 0.5
        if waiting and fate == 1:
            answered_at, waiting = sent_at, False
        if waiting and fate == 2:
            lost, waiting = lost + 1, False
        member.sampled(a_sample(float(at), heartbeats, unanswered=int(waiting), steady=steady, lost=lost))
        assert member.proven_at <= answered_at


def test_statistics_are_read_as_librdkafka_writes_them() -> None:
    coordinator = {"source": "logical", "req": {"Heartbeat": 7}, "waitresp_cnt": 1, "outbuf_cnt": 2, "connects": 1}
    statistics = {"brokers": {"b": {"source": "learned"}, "c": coordinator}, "cgrp": {"join_state": "steady"}}
    sample = HeartbeatSample(at=5.0, steady=True, heartbeats=7, unanswered=3, connection=(1, 0, 0, 0))
    assert read_sample(statistics, 5.0) == sample
    assert read_sample({"brokers": {"b": {"source": "learned"}}}, 5.0) is None


def test_heartbeats_of_kip_848_are_the_requests_that_librdkafka_does_not_name() -> None:
    coordinator = {"source": "logical", "req": {"ApiVersion": 1, "Metadata": 2}, "tx": 9}
    sample = read_sample({"brokers": {"c": coordinator}, "cgrp": {"join_state": "steady"}}, 5.0)
    assert sample is not None
    assert sample.heartbeats == 6


def test_statistics_come_several_times_between_two_heartbeats() -> None:
    assert [statistics_interval(session) for session in (3.0, 30.0, 300.0)] == [0.1, 1.0, 1.0]
