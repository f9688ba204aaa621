"""`replace` of a row returns what `dataclasses.replace` returns."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.runs.run import replace
from schemas.vocabulary import Phase, RunState
from tests.builders.runs import NOON, a_run

CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "phase": st.sampled_from(Phase),
        "state": st.sampled_from(RunState),
        "revision": st.integers(),
        "external_id": st.none() | st.text(),
        "processed_reports": st.tuples(st.text()),
        "updated_at": st.just(NOON),
    },
)


@given(CHANGES)
def test_replace_returns_the_same_as_the_standard_library(changes: dict[str, object]) -> None:
    row = a_run()
    changed = replace(row, **changes)
    assert changed == dataclasses.replace(row, **changes)  # type: ignore[arg-type] # drawn by field name
    assert row == a_run()


def test_the_returned_row_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        replace(a_run(), revision=2).revision = 3  # type: ignore[misc] # the row is frozen


def test_a_field_that_no_row_has_is_an_error() -> None:
    with pytest.raises(TypeError, match="colour"):
        replace(a_run(), colour="blue")
