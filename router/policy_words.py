"""Read the name of a hit policy, and say what a table lacks for the one it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.feel.values import ORDERED, Kind, kind_of
from router.tables.hit_policy import HitPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.tables.table import DecisionTable

_LETTERS = {
    "f": HitPolicy.FIRST,
    "u": HitPolicy.UNIQUE,
    "a": HitPolicy.ANY,
    "p": HitPolicy.PRIORITY,
    "o": HitPolicy.OUTPUT_ORDER,
    "r": HitPolicy.RULE_ORDER,
}
_SUMMARIES = {
    "": HitPolicy.COLLECT,
    "+": HitPolicy.COLLECT_SUM,
    "<": HitPolicy.COLLECT_LEAST,
    ">": HitPolicy.COLLECT_MOST,
    "#": HitPolicy.COLLECT_COUNT,
    "-+": HitPolicy.COLLECT_SUM,
    "-<": HitPolicy.COLLECT_LEAST,
    "->": HitPolicy.COLLECT_MOST,
    "-#": HitPolicy.COLLECT_COUNT,
    "-sum": HitPolicy.COLLECT_SUM,
    "-min": HitPolicy.COLLECT_LEAST,
    "-max": HitPolicy.COLLECT_MOST,
    "-count": HitPolicy.COLLECT_COUNT,
}
_SPELLINGS: dict[str, HitPolicy] = {
    **{policy.value: policy for policy in HitPolicy},
    **_LETTERS,
    **{f"{word}{how}": policy for word in ("collect", "c") for how, policy in _SUMMARIES.items()},
}


def policy_named(written: str) -> HitPolicy | None:
    """Find a policy by the spelling of a table file, of DMN (`RULE ORDER`, `COLLECT SUM`) or its letter (`R`, `C+`)."""
    return _SPELLINGS.get("-".join(written.lower().replace("_", " ").split()))


def lacking(table: DecisionTable) -> Iterator[str]:
    """Say what the columns and rows of a table lack for its hit policy."""
    policy = table.policy
    if policy in _BY_IMPORTANCE and not any(column.allowed for column in table.outputs):
        yield f"policy '{policy}' goes by the order of the allowed values, but no output lists its values"
    if policy in _SUMMARISING and len(table.outputs) != 1:
        yield (
            f"policy '{policy}' makes one value of one output, but the table has {len(table.outputs)}, for which"
            f" DMN does not define it: make a table of each, or take '{HitPolicy.COLLECT}', which gives all as they are"
        )
    elif policy in _COMPARING:
        yield from _not_comparable(table)


_BY_IMPORTANCE = frozenset({HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER})
_COMPARING = {
    HitPolicy.COLLECT_SUM: (frozenset({Kind.NUMBER}), "adds numbers"),
    HitPolicy.COLLECT_LEAST: (ORDERED, "compares values of one kind"),
    HitPolicy.COLLECT_MOST: (ORDERED, "compares values of one kind"),
}
_SUMMARISING = frozenset({*_COMPARING, HitPolicy.COLLECT_COUNT})


def _not_comparable(table: DecisionTable) -> Iterator[str]:
    fitting, does = _COMPARING[table.policy]
    (column,) = table.outputs
    kinds = {kind_of(row.outputs[column.name]) for row in table.rows} - {Kind.NULL}
    if kinds - fitting or len(kinds) > 1:
        found = ", ".join(sorted(kind.value for kind in kinds))
        yield f"policy '{table.policy}' {does}, but output '{column.name}' has {found}"
