"""A random number chooses at most one fault, by the shares of a scenario."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from southbound.simulator.faults.callbacks import CallbackFaulter
from southbound.simulator.faults.settings import (
    CallbackFault,
    CallbackFaults,
    RequestFault,
    RequestFaults,
    choose_fault,
)


@st.composite
def request_faults(draw: st.DrawFn) -> RequestFaults:
    weights = draw(st.lists(st.integers(0, 100), min_size=len(RequestFault) + 1, max_size=len(RequestFault) + 1))
    total = sum(weights) or 1
    shares = {fault.value: weight / total for fault, weight in zip(RequestFault, weights, strict=False)}
    return RequestFaults.model_validate(shares)


@given(request_faults(), st.floats(0, 1, exclude_max=True))
def test_a_fault_has_the_share_that_the_scenario_gives_it(faults: RequestFaults, dice: float) -> None:
    chosen = choose_fault(faults.shares, dice)
    below = 0.0
    for fault in RequestFault:
        share = faults.shares[fault]
        if chosen is fault:
            assert below <= dice < below + share
            return
        below += share
    assert chosen is None
    assert dice >= below


def test_every_fault_is_a_field_with_a_share() -> None:
    assert {fault.value for fault in RequestFault} < RequestFaults.model_fields.keys()
    assert {fault.value for fault in CallbackFault} < CallbackFaults.model_fields.keys()
    assert set(RequestFaults().shares.values()) | set(CallbackFaults().shares.values()) == {0.0}


def test_shares_of_more_than_one_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"the shares are 1\.1 together: make them at most 1"):
        RequestFaults(slow=0.6, garbage=0.5)
    with pytest.raises(ValidationError, match=r"the shares are 1\.5 together"):
        CallbackFaults(lost=0.75, doubled=0.75)


def test_shares_that_are_one_together_are_taken_although_their_sum_is_rounded() -> None:
    names = [fault.value for fault in RequestFault][:9]
    faults = RequestFaults.model_validate(dict.fromkeys(names, 0.1) | {"slow": 0.2})
    assert choose_fault(faults.shares, 0.95) is RequestFault.EXPIRED_TOKEN


def test_the_same_seed_leads_to_the_same_faults() -> None:
    faults = CallbackFaults(lost=0.3, doubled=0.3, reordered=0.3)

    def drawn(seed: str) -> list[CallbackFault | None]:
        faulter = CallbackFaulter(faults, Random(seed))  # noqa: S311 - no secret
        return [faulter.draw() for _ in range(50)]

    assert drawn("1/lab") == drawn("1/lab")
    assert drawn("1/lab") != drawn("2/lab")


def test_faults_are_counted() -> None:
    faulter = CallbackFaulter(CallbackFaults(lost=1), Random(1))  # noqa: S311 - no secret
    assert [faulter.draw() for _ in range(3)] == [CallbackFault.LOST] * 3
    assert faulter.happened == {CallbackFault.LOST: 3}
