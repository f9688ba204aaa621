"""Apply a hit policy: choose among the matching rows, and combine their outputs (DMN 1.5 §8.2.8)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import MAX_PREC, Context, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from router.tables.feel.values import ORDERED, ValueKind, are_equal, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from router.tables.model import Output, Row

    MatchingRows = tuple[Row, ...]
    Outputs = tuple[Output, ...]


class HitPolicy(StrEnum):
    """What a table does when several rows match. The value is the spelling in a table file."""

    FIRST = "first"
    UNIQUE = "unique"
    ANY = "any"
    PRIORITY = "priority"
    OUTPUT_ORDER = "output-order"
    RULE_ORDER = "rule-order"
    COLLECT = "collect"
    COLLECT_SUM = "collect+"
    COLLECT_MIN = "collect<"
    COLLECT_MAX = "collect>"
    COLLECT_COUNT = "collect#"

    @property
    def is_multiple_hit(self) -> bool:
        """Whether the result is made of all matching rows instead of one."""
        return self in _AGGREGATIONS


class UndecidedReason(StrEnum):
    """Why a table decided nothing. The value is the stable code of the problem."""

    NO_ROW_MATCHES = "NO_ROW_MATCHES"
    SEVERAL_ROWS_MATCH = "SEVERAL_ROWS_MATCH"
    OUTPUTS_DIFFER = "OUTPUTS_DIFFER"


@dataclass(frozen=True, slots=True)
class _Aggregation:
    """How a multiple hit policy combines the outputs of its rows, and its result where no row matches."""

    aggregate: Callable[[list[Any]], object]
    aggregate_default: Callable[[object], object]
    empty_result: Callable[[], object] = lambda: None


def select_rows(policy: HitPolicy, outputs: Outputs, hits: MatchingRows) -> MatchingRows | UndecidedReason:
    """Return the rows that a hit policy selects from `hits` (at least one, in table order), or why it selects none."""
    return _ROW_SELECTIONS.get(policy, _all_rows)(outputs, hits)


def aggregate_results(policy: HitPolicy, results: list[object]) -> object:
    """Return the result of the selected rows: the only one, or their list, sum, minimum, maximum or count."""
    aggregation = _AGGREGATIONS.get(policy)
    return aggregation.aggregate(results) if aggregation else results[0]


def result_without_rows(policy: HitPolicy) -> object:
    """Return the result where no row matches and there is no default: an empty list, a count of 0, else None."""
    aggregation = _AGGREGATIONS.get(policy)
    return aggregation.empty_result() if aggregation else None


def result_of_default(policy: HitPolicy, result: object) -> object:
    """Return the result where no row matches and the default row has `result`.

    DMN leaves this open. Here the default row takes the place of the missing row: policies that return lists return a
    list of it, aggregations return it unchanged.
    """
    aggregation = _AGGREGATIONS.get(policy)
    return aggregation.aggregate_default(result) if aggregation else result


def _first_row(_outputs: Outputs, hits: MatchingRows) -> MatchingRows:
    return hits[:1]


def _only_row(_outputs: Outputs, hits: MatchingRows) -> MatchingRows | UndecidedReason:
    return hits if len(hits) == 1 else UndecidedReason.SEVERAL_ROWS_MATCH


def _first_if_outputs_equal(_outputs: Outputs, hits: MatchingRows) -> MatchingRows | UndecidedReason:
    first = hits[0].outputs
    agree = all(_outputs_equal(first, row.outputs) for row in hits[1:])
    return hits[:1] if agree else UndecidedReason.OUTPUTS_DIFFER


def _outputs_equal(outputs: Mapping[str, object], other: Mapping[str, object]) -> bool:
    return all(are_equal(value, other[name]) for name, value in outputs.items())


def _highest_priority(outputs: Outputs, hits: MatchingRows) -> MatchingRows:
    return _by_priority(outputs, hits)[:1]


def _by_priority(outputs: Outputs, hits: MatchingRows) -> MatchingRows:
    """Sort by the first output, then the second …, each in the order of its allowed values. The sort is stable."""
    return tuple(sorted(hits, key=lambda row: [_rank(column, row.outputs[column.name]) for column in outputs]))


def _rank(column: Output, value: object) -> int:
    """Return the number of allowed values before a value. A value that is not listed comes last."""
    places = (place for place, allowed in enumerate(column.allowed) if are_equal(allowed, value))
    return next(places, len(column.allowed))


def _all_rows(_outputs: Outputs, hits: MatchingRows) -> MatchingRows:
    return hits


_ROW_SELECTIONS: dict[HitPolicy, Callable[[Outputs, MatchingRows], MatchingRows | UndecidedReason]] = {
    HitPolicy.FIRST: _first_row,
    HitPolicy.UNIQUE: _only_row,
    HitPolicy.ANY: _first_if_outputs_equal,
    HitPolicy.PRIORITY: _highest_priority,
    HitPolicy.OUTPUT_ORDER: _by_priority,
}

_EXACT = Context(prec=MAX_PREC)  # the default context would round a sum to 28 digits


def _sum(numbers: Sequence[int | Decimal]) -> int | Decimal:
    """Add without rounding. The sum of integers is an integer."""
    total: int | Decimal = 0
    for number in numbers:
        both_whole = isinstance(total, int) and isinstance(number, int)
        total = total + number if both_whole else _EXACT.add(Decimal(total), Decimal(number))
    return total


def _null_if_any_null(summary: Callable[[list[Any]], object]) -> Callable[[list[Any]], object]:
    """Return None if one of the values is None (as FEEL's own sum, min and max do)."""
    return lambda values: None if None in values else summary(values)


def _unchanged(result: object) -> object:
    return result


def _as_list(result: object) -> object:
    return [result]


_LIST = _Aggregation(list, _as_list, list)

_AGGREGATIONS: dict[HitPolicy, _Aggregation] = {
    HitPolicy.OUTPUT_ORDER: _LIST,
    HitPolicy.RULE_ORDER: _LIST,
    HitPolicy.COLLECT: _LIST,
    HitPolicy.COLLECT_SUM: _Aggregation(_null_if_any_null(_sum), _unchanged),
    HitPolicy.COLLECT_MIN: _Aggregation(_null_if_any_null(min), _unchanged),
    HitPolicy.COLLECT_MAX: _Aggregation(_null_if_any_null(max), _unchanged),
    HitPolicy.COLLECT_COUNT: _Aggregation(len, _unchanged, lambda: 0),
}

_INITIALS = {
    "f": HitPolicy.FIRST,
    "u": HitPolicy.UNIQUE,
    "a": HitPolicy.ANY,
    "p": HitPolicy.PRIORITY,
    "o": HitPolicy.OUTPUT_ORDER,
    "r": HitPolicy.RULE_ORDER,
}

_COLLECT_SUFFIXES = {
    "": HitPolicy.COLLECT,
    "+": HitPolicy.COLLECT_SUM,
    "<": HitPolicy.COLLECT_MIN,
    ">": HitPolicy.COLLECT_MAX,
    "#": HitPolicy.COLLECT_COUNT,
    "-+": HitPolicy.COLLECT_SUM,
    "-<": HitPolicy.COLLECT_MIN,
    "->": HitPolicy.COLLECT_MAX,
    "-#": HitPolicy.COLLECT_COUNT,
    "-sum": HitPolicy.COLLECT_SUM,
    "-min": HitPolicy.COLLECT_MIN,
    "-max": HitPolicy.COLLECT_MAX,
    "-count": HitPolicy.COLLECT_COUNT,
}

_SPELLINGS: dict[str, HitPolicy] = {
    **{policy.value: policy for policy in HitPolicy},
    **_INITIALS,
    **{f"{word}{how}": policy for word in ("collect", "c") for how, policy in _COLLECT_SUFFIXES.items()},
}


def find_hit_policy(spelling: str) -> HitPolicy | None:
    """Return the policy of a spelling.

    That of a table file, of DMN (`RULE ORDER`, `COLLECT SUM`) or a letter (`R`, `C+`).
    """
    return _SPELLINGS.get("-".join(spelling.lower().replace("_", " ").split()))


def hit_policy_problems(policy: HitPolicy, outputs: Outputs, rows: MatchingRows) -> Iterator[str]:
    """Yield a sentence for each requirement of a hit policy that the columns and rows do not meet."""
    if policy in _BY_PRIORITY and not any(column.allowed for column in outputs):
        yield f"policy '{policy}' sorts by the order of the allowed values, but no output lists its values"
    if policy in _AGGREGATING and len(outputs) != 1:
        yield (
            f"policy '{policy}' makes one value of one output, but the table has {len(outputs)}, for which"
            f" DMN does not define it: make a table of each, or take '{HitPolicy.COLLECT}', which gives all as they are"
        )
    elif policy in _AGGREGATED_KINDS:
        yield from _value_kind_problems(policy, outputs[0], rows)


_BY_PRIORITY = frozenset({HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER})

_AGGREGATED_KINDS = {
    HitPolicy.COLLECT_SUM: (frozenset({ValueKind.NUMBER}), "adds numbers"),
    HitPolicy.COLLECT_MIN: (ORDERED, "compares values of one kind"),
    HitPolicy.COLLECT_MAX: (ORDERED, "compares values of one kind"),
}

_AGGREGATING = frozenset({*_AGGREGATED_KINDS, HitPolicy.COLLECT_COUNT})


def _value_kind_problems(policy: HitPolicy, column: Output, rows: MatchingRows) -> Iterator[str]:
    allowed, action = _AGGREGATED_KINDS[policy]
    kinds = {kind_of(row.outputs[column.name]) for row in rows} - {ValueKind.NULL}
    if kinds - allowed or len(kinds) > 1:
        actual = ", ".join(sorted(kind.value for kind in kinds))
        yield f"policy '{policy}' {action}, but output '{column.name}' has {actual}"
