"""A row with changed fields is what `dataclasses.replace` would have made."""

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
def test_it_makes_what_the_standard_library_makes(changes: dict[str, object]) -> None:
    row = a_run()
    made = replace(row, **changes)
    assert made == dataclasses.replace(row, **changes)  # type: ignore[arg-type] # drawn by field name
    assert row == a_run()


def test_what_it_makes_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        replace(a_run(), revision=2).revision = 3  # type: ignore[misc] # that is the claim


def test_a_field_that_no_row_has_is_an_error() -> None:
    with pytest.raises(TypeError, match="colour"):
        replace(a_run(), colour="blue")
