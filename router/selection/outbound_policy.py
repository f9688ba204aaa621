"""Decide what of a run is sent: the run alone or its whole hierarchy, one by one or as a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from router.selection.fact_model import RUN_FACTS
from router.selection.selector_file import RUN_TABLE_LAYOUT
from router.tables.decision import Undecided, decide
from router.tables.formats.loader import check_file, read_table_file, table_tree_from_yaml
from router.tables.hit_policy import HitPolicy

if TYPE_CHECKING:
    from router.tables.decision import Decision
    from router.tables.facts import Facts
    from router.tables.formats.fields import BlockReader
    from router.tables.formats.loader import TableFile, TableTree
    from router.tables.model import Output
    from router.tables.table import DecisionTable


class Payload(StrEnum):
    """How a hierarchy is sent."""

    PER_RUN = "per-run"
    BUNDLE = "bundle"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundPolicy:
    """A decision table that is known to decide `hierarchical` and `payload`."""

    table: DecisionTable


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDecision:
    """What is sent, and the decision behind it (with any other outputs that the operator added)."""

    hierarchical: bool
    payload: Payload
    decision: Decision


def load_policy(text: str, source_name: str) -> OutboundPolicy:
    """Load an outbound policy: a table whose outputs include what dispatch needs.

    Raises:
        TableErrors: everything that is wrong, each with file, line, row and column.
    """
    return build_policy(table_tree_from_yaml(text, source_name))


def build_policy(tree: TableTree) -> OutboundPolicy:
    """Check an outbound policy and run its saved tests.

    Raises:
        TableErrors: everything that is wrong, each with its place, row and column.
    """
    file = read_table_file(tree, RUN_TABLE_LAYOUT, RUN_FACTS)
    _check_outputs(file)
    _check_single_hit(file)
    check_file(file, partial(decide, file.table))
    return OutboundPolicy(table=file.table)


def _check_outputs(file: TableFile) -> None:
    outputs = {column.name: column for column in file.table.outputs}
    _check_hierarchical(outputs.get("hierarchical"), file.fields)
    _check_payload(outputs.get("payload"), file.fields)


def _check_single_hit(file: TableFile) -> None:
    policy = file.table.policy
    if policy.is_multiple_hit:
        single = ", ".join(other for other in HitPolicy if not other.is_multiple_hit)
        problem = f"policy '{policy}' gives several rows, but a run is sent one way: take one of {single}"
        file.fields.report(problem, file.fields.line_of("policy"))


def _check_hierarchical(column: Output | None, fields: BlockReader) -> None:
    if column is None or column.type != "boolean":
        problem = "a policy needs the output {name: hierarchical, type: boolean}"
        fields.report(problem, fields.line_of("outputs"))


def _check_payload(column: Output | None, fields: BlockReader) -> None:
    known = set(Payload)
    if column is None or column.type != "string" or not column.allowed or set(column.allowed) - known:
        problem = "a policy needs the output {name: payload, type: string, values: [per-run, bundle]}"
        fields.report(problem, fields.line_of("outputs"))


def decide_policy(policy: OutboundPolicy, facts: Facts) -> PolicyDecision | Undecided:
    """Decide what of a run is sent."""
    decision = decide(policy.table, facts)
    if isinstance(decision, Undecided):
        return decision
    return PolicyDecision(
        hierarchical=bool(decision.outputs["hierarchical"]),
        payload=Payload(str(decision.outputs["payload"])),
        decision=decision,
    )
