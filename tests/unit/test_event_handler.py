"""Exceptions of a handler become the outcome of its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.dispatch.call import MembershipUncertainError
from consumers.event_handler import TRANSIENT_ERRORS, DecodingHandler
from consumers.runtime.handler import Attempt, DeadLetter, Partition, Record, RetryLater
from consumers.store.port import ConflictError, ExternalIdTakenError, StoreUnavailableError, UnstorableError
from producers.publisher import PublishError, RecordTooLargeError
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope
from tests.builders.example_events import NEWEST, example

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.runtime.handler import Outcome
    from schemas.codec.envelope import Event

ENVELOPE = Envelope(Codec())
VALUE, HEADERS = ENVELOPE.encode(example(*NEWEST[0]))
A_RECORD = Record(Partition(topic="t", number=0, epoch=1), 7, b"k", VALUE, tuple(HEADERS), 0)
ALMOST_ONE = 1 - 2**-53  # the largest result of `random`
passing = pytest.mark.parametrize("kind", TRANSIENT_ERRORS)


@dataclass
class FailingHandler:
    """A handler that always raises the same error."""

    error: Exception

    async def __call__(self, event: Event, attempt: Attempt) -> Outcome:  # noqa: ARG002 - the port's names
        """Raise the error."""
        raise self.error


async def outcome_of(error: Exception, number: int = 1, jitter: Callable[[], float] = lambda: 0.5) -> Outcome:
    return await DecodingHandler(FailingHandler(error), ENVELOPE, jitter).handle_record(A_RECORD, Attempt(number))


async def delay_of(kind: type[Exception], number: int, jitter: float) -> float:
    outcome = await outcome_of(kind("Not now."), number, lambda: jitter)
    assert isinstance(outcome, RetryLater)
    return outcome.delay


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (UnstorableError, "UNSTORABLE"),
        (ExternalIdTakenError, "EXTERNAL_ID_TAKEN"),
        (RecordTooLargeError, "MESSAGE_TOO_LARGE"),
    ],
)
async def test_a_permanent_error_is_a_dead_letter(kind: type[Exception], code: str) -> None:
    outcome = await outcome_of(kind("Never."))
    assert isinstance(outcome, DeadLetter)
    assert (outcome.problem.code, outcome.problem.sentence) == (code, "Never.")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (ConflictError, "CONFLICT"),
        (MembershipUncertainError, "MEMBERSHIP_UNCERTAIN"),
        (StoreUnavailableError, "STORE_UNAVAILABLE"),
        (PublishError, "PUBLISH_FAILED"),
    ],
)
async def test_a_transient_error_is_retried_with_its_reason(kind: type[Exception], code: str) -> None:
    outcome = await outcome_of(kind("Not now."))
    assert isinstance(outcome, RetryLater)
    assert (outcome.problem.code, outcome.problem.sentence) == (code, "Not now.")


async def test_bytes_that_are_no_event_are_a_dead_letter() -> None:
    rubbish = Record(A_RECORD.partition, 8, b"k", b"rubbish", (), 0)
    assert isinstance(
        await DecodingHandler(FailingHandler(ValueError()), ENVELOPE).handle_record(rubbish, Attempt(1)), DeadLetter
    )


@passing
async def test_delays_for_shared_resources_grow_up_to_a_maximum(kind: type[Exception]) -> None:
    waits = [await delay_of(kind, number, ALMOST_ONE) for number in range(1, 60)]
    assert waits == sorted(waits)
    assert waits[1] == pytest.approx(2 * waits[0])
    assert waits[-1] == waits[-2] == pytest.approx(TRANSIENT_ERRORS[kind][1].max_interval)


@passing
@given(number=st.integers(1, 10_000), first=st.floats(0, ALMOST_ONE), second=st.floats(0, ALMOST_ONE))
async def test_retries_of_lanes_that_fail_together_are_spread_over_the_delay(
    kind: type[Exception], number: int, first: float, second: float
) -> None:
    widest = await delay_of(kind, number, 1.0)
    waits = (await delay_of(kind, number, first), await delay_of(kind, number, second))
    assert waits == pytest.approx((first * widest, second * widest))


async def test_a_permanent_conflict_slows_down_before_it_is_reported() -> None:
    # The worker reports a problem after five seconds (`WorkerConfig.report_after`).
    waited = sum([await delay_of(ConflictError, number, 0.5) for number in range(1, 10)])
    assert 2 < waited < 10
    assert await delay_of(ConflictError, 1, ALMOST_ONE) < 0.021, "most conflicts are over at once"
