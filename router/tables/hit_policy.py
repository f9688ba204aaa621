"""Say which of the matching rows count, and what comes of them (DMN 1.5 §8.2.8)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import MAX_PREC, Context, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from router.tables.feel.values import ORDERED, ValueKind, kind_of, same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from router.tables.model import Output, Row

    Rows = tuple[Row, ...]
    Outputs = tuple[Output, ...]


class HitPolicy(StrEnum):
    """What happens when several rows match; the value is how a table file spells it."""

    FIRST = "first"
    UNIQUE = "unique"
    ANY = "any"
    PRIORITY = "priority"
    OUTPUT_ORDER = "output-order"
    RULE_ORDER = "rule-order"
    COLLECT = "collect"
    COLLECT_SUM = "collect+"
    COLLECT_LEAST = "collect<"
    COLLECT_MOST = "collect>"
    COLLECT_COUNT = "collect#"

    @property
    def gives_several(self) -> bool:
        """Whether the result is made of all rows that match instead of one."""
        return self in _GATHERED


class UndecidedReason(StrEnum):
    """Why a table decided nothing; the value is the stable code of the problem."""

    NO_ROW_MATCHES = "NO_ROW_MATCHES"
    SEVERAL_ROWS_MATCH = "SEVERAL_ROWS_MATCH"
    OUTPUTS_DIFFER = "OUTPUTS_DIFFER"


@dataclass(frozen=True, slots=True)
class _Aggregation:
    """What a multiple hit policy makes of the outputs of its rows, and what of a default where no row matches."""

    of: Callable[[list[Any]], object]
    of_default: Callable[[object], object]
    of_nothing: Callable[[], object] = lambda: None


def rows_that_count(policy: HitPolicy, outputs: Outputs, hits: Rows) -> Rows | UndecidedReason:
    """Choose among the rows that match (at least one, in order), or return why none may be chosen."""
    return _CHOICES.get(policy, _all)(outputs, hits)


def result_of(policy: HitPolicy, results: list[object]) -> object:
    """Return the result of the rows that count: the only one, or the list, sum, smallest, largest or number of them."""
    gather = _GATHERED.get(policy)
    return gather.of(results) if gather else results[0]


def result_without_rows(policy: HitPolicy) -> object:
    """Return the result where no row matches and there is no default: an empty list, a count of 0, else None."""
    gather = _GATHERED.get(policy)
    return gather.of_nothing() if gather else None


def result_of_default(policy: HitPolicy, result: object) -> object:
    """Return the result where no row matches and the default row has `result`.

    The standard leaves the details open. The default stands in for the missing row: in a list of its own for policies
    that return lists, as it is for the aggregations.
    """
    gather = _GATHERED.get(policy)
    return gather.of_default(result) if gather else result


def _first(_outputs: Outputs, hits: Rows) -> Rows:
    return hits[:1]


def _only(_outputs: Outputs, hits: Rows) -> Rows | UndecidedReason:
    return hits if len(hits) == 1 else UndecidedReason.SEVERAL_ROWS_MATCH


def _agreed(_outputs: Outputs, hits: Rows) -> Rows | UndecidedReason:
    first = hits[0].outputs
    agree = all(_equal(first, row.outputs) for row in hits[1:])
    return hits[:1] if agree else UndecidedReason.OUTPUTS_DIFFER


def _equal(some: Mapping[str, object], others: Mapping[str, object]) -> bool:
    return all(same(value, others[name]) for name, value in some.items())


def _most_important(outputs: Outputs, hits: Rows) -> Rows:
    return _by_importance(outputs, hits)[:1]


def _by_importance(outputs: Outputs, hits: Rows) -> Rows:
    """Sort by the first output, then the second, each in the order of its allowed values; equals stay in order."""
    return tuple(sorted(hits, key=lambda row: [_rank(column, row.outputs[column.name]) for column in outputs]))


def _rank(column: Output, value: object) -> int:
    """Count the allowed values that come before; a value that is not listed comes last."""
    places = (place for place, allowed in enumerate(column.allowed) if same(allowed, value))
    return next(places, len(column.allowed))


def _all(_outputs: Outputs, hits: Rows) -> Rows:
    return hits


_CHOICES: dict[HitPolicy, Callable[[Outputs, Rows], Rows | UndecidedReason]] = {
    HitPolicy.FIRST: _first,
    HitPolicy.UNIQUE: _only,
    HitPolicy.ANY: _agreed,
    HitPolicy.PRIORITY: _most_important,
    HitPolicy.OUTPUT_ORDER: _by_importance,
}

_EXACT = Context(prec=MAX_PREC)  # the everyday context would round a sum to 28 digits


def _sum(numbers: Sequence[int | Decimal]) -> int | Decimal:
    """Add without rounding; whole numbers stay whole."""
    total: int | Decimal = 0
    for number in numbers:
        both_whole = isinstance(total, int) and isinstance(number, int)
        total = total + number if both_whole else _EXACT.add(Decimal(total), Decimal(number))
    return total


def _unless_unknown(summary: Callable[[list[Any]], object]) -> Callable[[list[Any]], object]:
    """Give None where one of the values is (as FEEL's own sum, min and max do)."""
    return lambda values: None if None in values else summary(values)


def _as_it_is(result: object) -> object:
    return result


def _in_a_list(result: object) -> object:
    return [result]


_LIST = _Aggregation(list, _in_a_list, list)

_GATHERED: dict[HitPolicy, _Aggregation] = {
    HitPolicy.OUTPUT_ORDER: _LIST,
    HitPolicy.RULE_ORDER: _LIST,
    HitPolicy.COLLECT: _LIST,
    HitPolicy.COLLECT_SUM: _Aggregation(_unless_unknown(_sum), _as_it_is),
    HitPolicy.COLLECT_LEAST: _Aggregation(_unless_unknown(min), _as_it_is),
    HitPolicy.COLLECT_MOST: _Aggregation(_unless_unknown(max), _as_it_is),
    HitPolicy.COLLECT_COUNT: _Aggregation(len, _as_it_is, lambda: 0),
}

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


def lacking(policy: HitPolicy, outputs: Outputs, rows: Rows) -> Iterator[str]:
    """Return a sentence for each thing that the columns and rows lack for a hit policy."""
    if policy in _BY_IMPORTANCE and not any(column.allowed for column in outputs):
        yield f"policy '{policy}' goes by the order of the allowed values, but no output lists its values"
    if policy in _SUMMARISING and len(outputs) != 1:
        yield (
            f"policy '{policy}' makes one value of one output, but the table has {len(outputs)}, for which"
            f" DMN does not define it: make a table of each, or take '{HitPolicy.COLLECT}', which gives all as they are"
        )
    elif policy in _COMPARING:
        yield from _not_comparable(policy, outputs[0], rows)


_BY_IMPORTANCE = frozenset({HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER})

_COMPARING = {
    HitPolicy.COLLECT_SUM: (frozenset({ValueKind.NUMBER}), "adds numbers"),
    HitPolicy.COLLECT_LEAST: (ORDERED, "compares values of one kind"),
    HitPolicy.COLLECT_MOST: (ORDERED, "compares values of one kind"),
}

_SUMMARISING = frozenset({*_COMPARING, HitPolicy.COLLECT_COUNT})


def _not_comparable(policy: HitPolicy, column: Output, rows: Rows) -> Iterator[str]:
    fitting, does = _COMPARING[policy]
    kinds = {kind_of(row.outputs[column.name]) for row in rows} - {ValueKind.NULL}
    if kinds - fitting or len(kinds) > 1:
        found = ", ".join(sorted(kind.value for kind in kinds))
        yield f"policy '{policy}' {does}, but output '{column.name}' has {found}"
