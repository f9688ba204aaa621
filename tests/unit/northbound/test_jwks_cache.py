"""The keys of an issuer are fetched seldom, by one fetch at a time, and used for a bounded time if it is down."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.northbound.tokens.jwks_cache import (
    JwksCache,
    KeyAges,
    KeysNotFetchedError,
    KeysUnavailableError,
)
from tests.builders.tokens import issuer_key, key_set

AGES = KeyAges(fresh=300, stale=3_600, between_fetches=30)


class FakeClock:
    """A clock that moves when a test says so."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class FakeKeySource:
    """An issuer that serves what a test puts into it; None: it is down."""

    def __init__(self, document: bytes | None = None) -> None:
        self.document = document
        self.fetches = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()

    async def fetch(self) -> bytes:
        self.fetches += 1
        self.asked.set()
        await self.gate.wait()
        if self.document is None:
            raise KeysNotFetchedError("it is down")
        return self.document


ONE, TWO = key_set(issuer_key("one")), key_set(issuer_key("one"), issuer_key("two"))


async def key_ids(cache: JwksCache) -> list[str | None]:
    return [key.key_id for key in (await cache.current()).keys.keys]


async def test_fresh_keys_are_not_fetched_again() -> None:
    source, clock = FakeKeySource(ONE), FakeClock()
    cache = JwksCache(source, clock, AGES)
    assert await key_ids(cache) == ["one"]
    clock.now += 300
    assert await key_ids(cache) == ["one"]
    assert source.fetches == 1
    source.document = TWO
    clock.now += 1
    assert await key_ids(cache) == ["one", "two"]


async def test_many_requests_wait_for_one_fetch() -> None:
    source = FakeKeySource(ONE)
    source.gate.clear()
    cache = JwksCache(source, FakeClock(), AGES)
    waiting = [asyncio.create_task(key_ids(cache)) for _ in range(20)]
    await source.asked.wait()
    waiting[0].cancel()  # its client went away: the others still get the keys
    source.gate.set()
    assert await asyncio.gather(*waiting[1:]) == [["one"]] * 19
    assert source.fetches == 1


async def test_a_new_key_is_fetched_when_a_token_names_it_but_not_more_often_than_allowed() -> None:
    source, clock = FakeKeySource(ONE), FakeClock()
    cache = JwksCache(source, clock, AGES)
    held = await cache.current()
    source.document = TWO
    for _ in range(50):
        assert (await cache.newer_than(held)) == held
    assert source.fetches == 1
    clock.now += 30
    newer = await cache.newer_than(held)
    assert [key.key_id for key in newer.keys.keys] == ["one", "two"]
    assert await cache.newer_than(held) == newer
    assert source.fetches == 2


async def test_keys_are_used_while_the_issuer_is_down_and_not_for_ever() -> None:
    source, clock = FakeKeySource(ONE), FakeClock()
    cache = JwksCache(source, clock, AGES)
    await cache.current()
    source.document = None
    clock.now += 3_600
    assert await key_ids(cache) == ["one"]
    clock.now += 1
    with pytest.raises(KeysUnavailableError) as raised:
        await cache.current()
    assert 1 <= raised.value.retry_after <= 30
    source.document = TWO
    clock.now += 30
    assert await key_ids(cache) == ["one", "two"]


async def test_no_request_waits_for_an_issuer_that_hangs_once_that_is_known() -> None:
    source, clock = FakeKeySource(ONE), FakeClock()
    cache = JwksCache(source, clock, AGES)
    await cache.current()
    source.document = None
    clock.now += 301
    await cache.current()  # waits, and finds out
    source.gate.clear()
    clock.now += 30
    assert await asyncio.wait_for(key_ids(cache), 5) == ["one"]
    assert await asyncio.wait_for(key_ids(cache), 5) == ["one"]
    await cache.close()


async def test_an_issuer_that_was_never_reached_is_asked_at_most_once_per_interval() -> None:
    source, clock = FakeKeySource(), FakeClock()
    outcomes: list[bool] = []
    cache = JwksCache(source, clock, AGES, on_fetch=outcomes.append)
    for _ in range(10):
        with pytest.raises(KeysUnavailableError):
            await cache.current()
    assert source.fetches == 1
    source.document = b"<html>"
    clock.now += 30
    with pytest.raises(KeysUnavailableError):
        await cache.current()
    assert outcomes == [False, False]


async def test_an_issuer_that_withdraws_all_keys_is_obeyed() -> None:
    source, clock = FakeKeySource(ONE), FakeClock()
    cache = JwksCache(source, clock, AGES)
    await cache.current()
    source.document = key_set()
    clock.now += 301
    assert await key_ids(cache) == []


@given(st.lists(st.tuples(st.floats(0.1, 2_000), st.booleans(), st.booleans()), max_size=40))
def test_fetches_are_apart_and_keys_are_never_older_than_allowed(steps: list[tuple[float, bool, bool]]) -> None:
    async def scenario() -> None:
        source, clock = FakeKeySource(), FakeClock()
        cache = JwksCache(source, clock, AGES)
        fetched: list[float] = []
        for wait, is_up, names_new_key in steps:
            clock.now += wait
            source.document = ONE if is_up else None
            before = source.fetches
            try:
                held = await cache.current()
                if names_new_key:
                    await cache.newer_than(held)
                assert cache.age <= AGES.stale
            except KeysUnavailableError:
                assert cache.age > AGES.stale
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            fetched += [clock.now] * (source.fetches - before)
        await cache.close()
        assert all(later - earlier >= AGES.between_fetches for earlier, later in pairwise(fetched))

    asyncio.run(scenario())
