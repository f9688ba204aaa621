"""What keeps a table from being published, and what is only told."""

from __future__ import annotations

from router.policy import load_policy
from router.publishing import Findings, judge
from router.selector_files import load_selector
from southbound.settings import DEFAULTS
from tests.gateway import POLICY, SELECTOR

SHIPPED = load_policy((DEFAULTS / "tables/outbound-policy.yaml").read_text(), "policy")


def test_what_is_shipped_may_be_published() -> None:
    assert judge(SHIPPED, spokes_known=True).errors == ()


def test_a_table_without_saved_tests_is_told_and_not_kept_back() -> None:
    findings = judge(load_policy(POLICY, "policy"), spokes_known=True)
    assert findings.errors == ()
    assert any("outbound-policy has no saved tests" in sentence for sentence in findings.warnings)


def test_a_selector_is_kept_back_while_nobody_knows_which_spokes_there_are() -> None:
    selector = load_selector(SELECTOR, "selector")
    assert "the profiles that would prove them have mistakes" in judge(selector, spokes_known=False).errors[0]
    assert judge(SHIPPED, spokes_known=False).errors == ()


def test_findings_of_two_looks_are_told_together() -> None:
    one, other = Findings(errors=("a",), warnings=("b",)), Findings(errors=("c",))
    assert one + other == Findings(errors=("a", "c"), warnings=("b",))
