"""The oracle at the target of the write-back finds what is missing, there twice, or in the wrong order."""

from __future__ import annotations

import pytest

from southbound.simulator.instance.run_table import RunRecord
from tests.chaos.conductor.desk import PublishedEnd, mistakes_at_desk
from tests.chaos.conductor.oracle import Breach


def a_row(*states: str, measures: tuple[str, ...] = ("TM1",)) -> RunRecord:
    return RunRecord(
        sys_id="1",
        external_id="A",
        fields={"state": states[-1], "testMeasure": [{"id": measure} for measure in measures]},
        states=[*states],
    )


END = PublishedEnd("completed", frozenset({"TM1"}))


@pytest.mark.parametrize(
    ("rows", "breaches"),
    [
        ([a_row("acknowledged", "inProgress", "completed")], []),
        ([a_row("completed")], []),
        ([], [Breach.LOST]),
        ([a_row("completed"), a_row("completed")], [Breach.CREATED_TWICE]),
        ([a_row("acknowledged")], [Breach.LOST]),
        ([a_row("inProgress", "acknowledged", "completed")], [Breach.REORDERED]),
        ([a_row("failed", "completed")], [Breach.REORDERED]),
        ([a_row("completed", measures=())], [Breach.LOST]),
    ],
)
def test_a_run_has_one_row_with_its_end_and_measures_in_the_order_of_its_states(
    rows: list[RunRecord], breaches: list[Breach]
) -> None:
    found = mistakes_at_desk({"A": rows} if rows else {}, {"A": END}, {"A"})
    assert [kind for kind, _ in found] == breaches


def test_a_run_that_nobody_requested_is_found() -> None:
    assert [kind for kind, _ in mistakes_at_desk({"B": [a_row("completed")]}, {}, set())] == [Breach.UNREQUESTED]
