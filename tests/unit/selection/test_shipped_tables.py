"""The shipped tables decide the demo's runs, and the first key of a file determines its kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.selection.facts import facts_of
from router.selection.load import load_any
from router.selection.outbound_policy import OutboundPolicy, PolicyDecision, decide_policy
from router.selection.spoke_selector import ChosenSpoke, SpokeSelector, choose_spoke
from router.tables.decision import Undecided
from router.tables.diagnostics import TableErrors
from router.tables.explain.explain import explanation_lines, problem_of
from router.tables.table import DecisionTable
from schemas.run_document import ServiceRef
from tests.builders.decision_tables import a_file
from tests.builders.runs import a_document, a_tree

SHIPPED = Path(__file__).parents[3] / "southbound" / "defaults"
SPOKES = {profile.stem for profile in (SHIPPED / "spokes").glob("*.yaml")}


def shipped(name: str) -> OutboundPolicy | SpokeSelector | DecisionTable:
    return load_any((SHIPPED / "tables" / name).read_text(encoding="utf-8"), name, SPOKES)


@pytest.fixture(scope="module")
def policy() -> OutboundPolicy:
    table = shipped("outbound-policy.yaml")
    assert isinstance(table, OutboundPolicy)
    return table


@pytest.fixture(scope="module")
def selector() -> SpokeSelector:
    table = shipped("spoke-selector.yaml")
    assert isinstance(table, SpokeSelector)
    return table


@pytest.mark.parametrize(
    ("spec", "row", "hierarchical"),
    [("fibre-tree", "R10", True), ("fibre-flat", "R20", False), ("fibre-other", "default", False)],
)
def test_the_same_tree_is_sent_whole_or_not_by_its_specification(
    policy: OutboundPolicy,
    spec: str,
    row: str,
    hierarchical: bool,  # noqa: FBT001 - the expectation
) -> None:
    decided = decide_policy(policy, facts_of(a_tree(spec=spec)))
    assert isinstance(decided, PolicyDecision)
    assert (decided.decision.row.id, decided.hierarchical, decided.payload) == (row, hierarchical, "per-run")


@pytest.mark.parametrize(
    ("spec", "spoke"),
    [
        *((f"fibre-{end}", "fibre-lab") for end in ("quick", "line", "tree", "tree-child", "flat", "change", "cancel")),
        *((f"copper-{end}", "copper-lab") for end in ("refused", "busy", "line")),
    ],
)
def test_every_specification_of_the_demo_has_its_lab(selector: SpokeSelector, spec: str, spoke: str) -> None:
    choice = choose_spoke(selector, facts_of(a_document(spec=spec)))
    assert isinstance(choice, ChosenSpoke)
    assert choice.spoke == spoke


def test_a_satellite_link_has_no_spoke_but_nearly_matching_rows(selector: SpokeSelector) -> None:
    run = a_document(spec="satellite-link").model_copy(update={"related_service": ServiceRef(id="S", type="satellite")})
    undecided = choose_spoke(selector, facts_of(run))
    assert isinstance(undecided, Undecided)
    assert "S40 would have matched but `service_type` is satellite, the cell requires copper, dsl" in "\n".join(
        explanation_lines(undecided)
    )
    assert problem_of(undecided).code == "NO_ROW_MATCHES"


def test_every_shipped_row_has_a_note_and_every_table_its_tests(
    policy: OutboundPolicy, selector: SpokeSelector
) -> None:
    rows = (*policy.table.rows, *selector.table.rows, *selector.inactive)
    assert all(row.note for row in rows)
    tested = {test.row for table in (policy.table, selector.table) for test in table.tests}
    assert tested >= {row.id for row in (*policy.table.rows, *selector.table.rows)}


def test_any_other_table_is_loaded_as_one() -> None:
    assert isinstance(load_any(a_file(), "t.yaml"), DecisionTable)


def test_an_outbound_policy_must_have_its_outputs() -> None:
    text = a_file().replace("a-table", "outbound-policy").replace("name: payload", "name: load")
    with pytest.raises(TableErrors, match=r"a policy needs the output \{name: payload"):
        load_any(text, "t.yaml")
