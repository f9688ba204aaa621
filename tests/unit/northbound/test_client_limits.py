"""Each client has a token bucket of its own, and the buckets of any number of clients have a bounded size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumers.northbound.access.client_limits import ClientLimits, Rate
from consumers.northbound.access.client_names import ClientNames

EPSILON = 1e-6


def test_a_client_has_its_burst_and_then_its_rate() -> None:
    now = [100.0]
    limits, rate = ClientLimits(lambda: now[0]), Rate(per_second=2, burst=3)
    assert [limits.take("a", rate) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limits.take("b", rate) == 0
    now[0] += 0.5
    assert [limits.take("a", rate) for _ in range(2)] == [0, 0.5]
    now[0] += 1_000
    assert [limits.take("a", rate) for _ in range(4)] == [0, 0, 0, 0.5]


@given(
    st.lists(st.floats(0, 5), min_size=1, max_size=200),
    st.floats(0.1, 100),
    st.integers(1, 50),
)
def test_no_period_has_more_calls_than_burst_and_rate_allow(pauses: list[float], per_second: float, burst: int) -> None:
    now, taken = [0.0], []
    limits, rate = ClientLimits(lambda: now[0]), Rate(per_second=per_second, burst=burst)
    for pause in pauses:
        now[0] += pause
        wait = limits.take("a", rate)
        if wait == 0:
            taken.append(now[0])
        else:
            assert wait <= 1 / per_second + EPSILON
    for first, begin in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + (taken[last] - begin) * per_second + EPSILON


@given(st.lists(st.integers(0, 50), max_size=200))
def test_only_so_many_clients_are_remembered(clients: list[int]) -> None:
    limits = ClientLimits(lambda: 0.0, max_buckets=10)
    for client in clients:
        limits.take(str(client), Rate(per_second=1, burst=2))
    assert len(limits) <= 10


def test_a_client_that_calls_keeps_its_bucket_while_others_come_and_go() -> None:
    limits, rate = ClientLimits(lambda: 0.0, max_buckets=10), Rate(per_second=1, burst=100)
    for stranger in range(100):
        limits.take("busy", rate)
        limits.take(f"stranger {stranger}", rate)
    assert limits.take("busy", rate) > 0


@given(st.lists(st.text(max_size=5), max_size=300))
def test_metrics_name_a_bounded_number_of_clients(clients: list[str]) -> None:
    names = ClientNames(max_names=20)
    labels = [names.label(client) for client in clients]
    assert len(set(labels)) <= 22
    assert all(label in (client or "unknown", "others") for client, label in zip(clients, labels, strict=True))
