"""The outbound policy is a table whose outputs contain what dispatch needs."""

from __future__ import annotations

import pytest

from router.selection.facts import facts_of
from router.selection.outbound_policy import Payload, PolicyDecision, decide_policy, load_policy
from router.tables.decision import Undecided
from router.tables.diagnostics import TableErrors
from tests.builders.decision_tables import OUTPUTS, a_file, a_row
from tests.builders.runs import a_document


def test_the_policy_decides_what_is_sent() -> None:
    policy = load_policy(a_file([a_row("R1", "spec: fibre-line", "{hierarchical: true, payload: bundle}")]), "p.yaml")
    decided = decide_policy(policy, facts_of(a_document()))
    assert isinstance(decided, PolicyDecision)
    assert (decided.hierarchical, decided.payload) == (True, Payload.BUNDLE)
    assert decided.decision.reference == f"a-table@{policy.table.version}#R1"


def test_no_row_and_no_default_is_never_silently_not_hierarchical() -> None:
    policy = load_policy(a_file([a_row("R1", "spec: x")]), "p.yaml")
    assert isinstance(decide_policy(policy, facts_of(a_document())), Undecided)


def test_an_operator_may_add_outputs() -> None:
    outputs = f"{OUTPUTS}  - {{name: queue, type: string}}\n"
    text = a_file(
        [a_row("R1", "spec: fibre-line", "{hierarchical: true, payload: bundle, queue: night}")], outputs=outputs
    )
    decided = decide_policy(load_policy(text, "p.yaml"), facts_of(a_document()))
    assert isinstance(decided, PolicyDecision)
    assert decided.decision.outputs["queue"] == "night"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("{name: hierarchical, type: boolean}", "{name: hierarchical, type: string}", "needs the output {name: hierar"),
        ("{name: hierarchical, type: boolean}", "{name: tree, type: boolean}", "needs the output {name: hierarchical"),
        ("values: [per-run, bundle]", "values: [per-run, bundle, both]", "needs the output {name: payload"),
        (", values: [per-run, bundle]", "", "needs the output {name: payload"),
    ],
)
def test_a_policy_without_the_two_outputs_is_refused(old: str, new: str, sentence: str) -> None:
    with pytest.raises(TableErrors) as refused:
        load_policy(a_file().replace(old, new), "p.yaml")
    assert any(sentence in reported and reported.startswith("p.yaml:8: ") for reported in refused.value.sentences)
