"""The checks that refuse a table before it is published, and those that only warn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.selection.outbound_policy import load_policy
from router.selection.publish_checks import PublishFindings, analyse_loaded, check_before_publishing
from router.selection.selector_file import load_selector
from southbound.settings.settings import DEFAULTS
from tests.harness.gateway import POLICY, SELECTOR

if TYPE_CHECKING:
    from router.selection.spoke_selector import SpokeSelector

SHIPPED = load_policy((DEFAULTS / "tables/outbound-policy.yaml").read_text(), "policy")


def test_the_shipped_tables_may_be_published() -> None:
    assert check_before_publishing(SHIPPED, spokes_known=True).errors == ()


def test_a_table_without_saved_tests_has_a_warning_and_no_error() -> None:
    findings = check_before_publishing(load_policy(POLICY, "policy"), spokes_known=True)
    assert findings.errors == ()
    assert any("outbound-policy has no saved tests" in sentence for sentence in findings.warnings)


def test_a_selector_is_refused_while_the_spokes_are_unknown() -> None:
    selector = load_selector(SELECTOR, "selector")
    assert (
        "the profiles that would prove them have mistakes"
        in check_before_publishing(selector, spokes_known=False).errors[0]
    )
    assert check_before_publishing(SHIPPED, spokes_known=False).errors == ()


def a_selector(*rows: str) -> SpokeSelector:
    listed = "".join(f"  - {row}\n" for row in rows)
    return load_selector(f"selector: s\ninputs: [{{name: mode, path: mode, type: string}}]\nrows:\n{listed}", "s")


ANYTHING = "{id: S1, order: 1, when: {}, then: {spoke: a}}"
BELOW = "{id: S2, order: 2, when: {mode: ONDEMAND}, then: {spoke: b}}"
LIMITED = "{id: S1, order: 1, when: {}, then: {spoke: a}, threshold: {max: 9, period: PT1H}}"
LIMITED_TOO = "{id: S2, order: 2, when: {}, then: {spoke: b}, threshold: {max: 9, period: PT1H}}"
LAST = "{id: S3, order: 3, when: {mode: ONDEMAND}, then: {spoke: c}}"


def test_a_table_with_a_row_that_is_never_reached_is_refused() -> None:
    (error,) = check_before_publishing(a_selector(ANYTHING, BELOW), spokes_known=True).errors
    assert error.startswith("row S2 is never reached: row S1 with a lower order takes everything")


def test_a_row_below_one_with_a_threshold_is_reachable() -> None:
    assert check_before_publishing(a_selector(LIMITED, BELOW), spokes_known=True).errors == ()
    assert check_before_publishing(a_selector(LIMITED, LIMITED_TOO, LAST), spokes_known=True).errors == ()


def test_a_row_below_one_without_a_threshold_is_unreachable_whatever_other_thresholds_exist() -> None:
    third = ANYTHING.replace("S1, order: 1", "S3, order: 3")
    last = LAST.replace("S3, order: 3", "S4, order: 4")
    (error,) = check_before_publishing(a_selector(LIMITED, LIMITED_TOO, third, last), spokes_known=True).errors
    assert error.startswith("row S4 is never reached: row S3 with a lower order")
    above = ANYTHING.replace("S1, order: 1", "S0, order: 0")
    errors = check_before_publishing(a_selector(above, LIMITED, LIMITED_TOO), spokes_known=True).errors
    assert [error.split(" is never")[0] for error in errors] == ["row S1", "row S2"]


def test_sentences_about_a_selector_name_the_order_of_its_rows_and_not_their_place_in_the_file() -> None:
    """A warning once said that a row decides because it stands above, and it stood below in the file."""
    (error,) = analyse_loaded(a_selector(BELOW, ANYTHING)).errors
    assert error.endswith(
        "row S1 with a lower order takes everything that it takes; give it a lower order or delete it"
    )
    late = "{id: S1, order: 2, when: {mode: not(ONDEMAND)}, then: {spoke: a}}"
    early = "{id: S2, order: 1, when: {mode: not(PROACTIVE)}, then: {spoke: b}}"
    (warning,) = [sentence for sentence in analyse_loaded(a_selector(late, early)).warnings if "both match" in sentence]
    assert warning.endswith("and S2 decides because its order is lower")


def test_findings_of_two_checks_are_combined() -> None:
    first, second = PublishFindings(errors=("a",), warnings=("b",)), PublishFindings(errors=("c",))
    assert first + second == PublishFindings(errors=("a", "c"), warnings=("b",))
