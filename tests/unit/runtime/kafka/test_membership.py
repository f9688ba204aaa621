"""A worker is certain of its membership only while the group cannot have replaced it."""

from __future__ import annotations

import pytest

from consumers.runtime.kafka.membership import Membership, proof_duration

SESSION_TIMEOUT = 10.0
POLL_INTERVAL = 0.05


def a_member() -> Membership:
    return Membership(SESSION_TIMEOUT, 0.0)


def poll(member: Membership, since: float, until: float, *, drained: bool = True) -> float:
    """Poll continuously; return the time of the last poll."""
    polls = int((until - since) / POLL_INTERVAL)
    for n in range(1, polls + 1):
        member.polled(since + n * POLL_INTERVAL, drained=drained)
    return since + polls * POLL_INTERVAL


def is_certain_member(member: Membership, now: float) -> bool:
    return now - member.proven_at < proof_duration(SESSION_TIMEOUT)


def a_stalled_member() -> tuple[Membership, float]:
    """Return a member just after a stall, and the time."""
    member = a_member()
    asleep = poll(member, 0.0, 5.0)
    member.polled(asleep + 12.0, drained=True)
    return member, asleep + 12.0


def test_polls_without_a_stall_keep_the_membership_certain() -> None:
    member = a_member()
    assert is_certain_member(member, poll(member, 0.0, 60.0))


def test_a_poll_after_a_stall_proves_nothing() -> None:
    member, now = a_stalled_member()
    assert not is_certain_member(member, now)
    assert not is_certain_member(member, poll(member, now, now + 1.0))


def test_an_idle_worker_is_certain_again_after_an_assignment() -> None:
    member, now = a_stalled_member()
    now = poll(member, now, now + 0.5)
    member.assigned()
    assert is_certain_member(member, now)


def test_an_assignment_that_waited_through_the_stall_proves_nothing() -> None:
    member, now = a_stalled_member()
    member.assigned()
    assert not is_certain_member(member, now)


def test_an_assignment_behind_records_from_before_the_stall_proves_nothing() -> None:
    member, now = a_stalled_member()
    now = poll(member, now, now + 1.0, drained=False)
    member.assigned()
    assert not is_certain_member(member, now)


def test_an_idle_worker_is_certain_again_after_a_whole_session_without_a_revocation() -> None:
    member, now = a_stalled_member()
    assert not is_certain_member(member, poll(member, now, now + SESSION_TIMEOUT - 1.0))
    assert is_certain_member(member, poll(member, now + SESSION_TIMEOUT - 1.0, now + SESSION_TIMEOUT + 1.0))


def test_a_session_of_polls_counts_from_the_last_revocation() -> None:
    member, now = a_stalled_member()
    assigned_at = poll(member, now, now + SESSION_TIMEOUT - 1.0)
    member.lost(assigned_at)
    assert not is_certain_member(member, poll(member, assigned_at, assigned_at + SESSION_TIMEOUT - 1.0))
    assert is_certain_member(member, poll(member, assigned_at, assigned_at + SESSION_TIMEOUT + 1.0))


def test_a_second_stall_begins_the_count_again() -> None:
    member, now = a_stalled_member()
    now = poll(member, now, now + 5.0) + 9.0
    member.polled(now, drained=True)
    assert not is_certain_member(member, poll(member, now, now + SESSION_TIMEOUT - 1.0))


@pytest.mark.parametrize(("sent_before", "certain"), [(0.5, True), (11.0, False)])
def test_a_commit_proves_membership_as_of_when_it_was_sent(sent_before: float, certain: bool) -> None:  # noqa: FBT001 - a parameter of the test
    member, now = a_stalled_member()
    member.committed(now - sent_before)
    assert is_certain_member(member, now) is certain
