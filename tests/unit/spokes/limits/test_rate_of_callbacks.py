"""A rate limit that does not wait admits what its rate and burst allow, and says when there is a token again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumers.spokes.limits.rate_limit import RateLimit


@given(
    rate=st.floats(0.1, 100),
    burst=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 5), min_size=1, max_size=60),
)
def test_no_more_than_the_burst_and_the_rate_are_admitted(rate: float, burst: int, pauses: list[float]) -> None:
    now = [0.0]
    limit = RateLimit(rate, burst, lambda: now[0])
    admitted = 0
    for pause in pauses:
        now[0] += pause
        if (wait := limit.try_take()) == 0:
            admitted += 1
        else:
            assert 0 < wait <= 1 / rate * (1 + 1e-6)
        assert admitted <= burst + (now[0] + 1e-5) * rate * (1 + 1e-6)


@given(rate=st.floats(0.1, 100), burst=st.integers(1, 20))
def test_a_caller_that_comes_when_it_was_told_gets_a_token(rate: float, burst: int) -> None:
    now = [0.0]
    limit = RateLimit(rate, burst, lambda: now[0])
    assert [limit.try_take() for _ in range(burst)] == [0] * burst
    wait = limit.try_take()
    assert wait > 0
    now[0] += wait * (1 + 1e-9)
    assert limit.try_take() == 0
