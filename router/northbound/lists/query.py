"""Read the query of a list (TMF630): filters, fields and the page; and decide which resources match.

`name=a,b` is "or", several parameters are "and"; `path.gt`, `.gte`, `.lt` and `.lte` compare, `.regex` searches a text;
a path leads through objects and lists, and matches if any value that it leads to does. A filter that no resource could
pass is refused: to a client that looks for its run, an empty list would say that there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from router.northbound.errors import ApiRefusedError, Mistake, MistakeCode
from router.northbound.lists.pattern import Pattern, PatternBudget, PatternTooCostlyError
from router.northbound.lists.pattern_syntax import PatternError
from router.northbound.lists.pushdown import DOCUMENT_PATHS, FieldIsOneOf, Pushdown
from router.northbound.lists.sort import MAX_SORT_KEYS, read_sort
from router.runs.states import KNOWN_STATES, normalise_state

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from router.northbound.lists.sort import SortKey
    from schemas.text.json_types import JsonMapping


MAX_FILTERS = 20
MAX_ALTERNATIVES = 50  # in one filter
MAX_VALUE_LENGTH = 1_000  # characters of one filter
MAX_OFFSET = 1_000_000
_MAX_PATH = 6  # names in a path
_DAY_LENGTH = len("2026-01-31")
# First-level attributes of a ServiceTest, and what is written of other systems' types.
ATTRIBUTES = frozenset(
    {
        "id",
        "href",
        "name",
        "description",
        "mode",
        "state",
        "startDateTime",
        "endDateTime",
        "validFor",
        "relatedService",
        "testSpecification",
        "characteristic",
        "relatedParty",
        "testMeasure",
        "externalIdentifier",
        "serviceTestRelationship",
        "@type",
        "@baseType",
        "@schemaLocation",
    }
)
_TEXTS = frozenset(
    {
        *("id", "href", "name", "description", "mode", "state", "startDateTime", "endDateTime", "version"),
        *("lifecycleStatus", "isBundle", "lastUpdate", "cancellationReason", "@type", "@baseType", "@schemaLocation"),
    }
)
_REFERENCE = frozenset({"id", "href", "name", "@type", "@baseType", "@schemaLocation", "@referredType"})
_PARTS = {
    "relatedService": _REFERENCE,
    "testSpecification": _REFERENCE | {"version"},
    "serviceTest": _REFERENCE,
    "validFor": frozenset({"startDateTime", "endDateTime", "@type"}),
}
_DATES = frozenset(
    {
        *(("startDateTime",), ("endDateTime",), ("lastUpdate",)),
        *(("validFor", "startDateTime"), ("validFor", "endDateTime"), ("testMeasure", "captureDateTime")),
    }
)


class FilterComparison(StrEnum):
    """How a filter compares; the value is the ending of its name."""

    EQUAL = "eq"
    GREATER = "gt"
    GREATER_OR_EQUAL = "gte"
    LESS = "lt"
    LESS_OR_EQUAL = "lte"
    PATTERN = "regex"


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition: a value at `path` compares so with one of `values`. `pattern` is what a text is searched for."""

    path: tuple[str, ...]
    comparison: FilterComparison
    values: tuple[str, ...]
    pattern: Pattern | None = field(default=None, compare=False)

    def matches(self, resource: JsonMapping) -> bool:
        """Return whether the resource passes."""
        return any(self._compares(found) for found in values_at(resource, self.path))

    def _compares(self, found: object) -> bool:
        if self.pattern is not None:
            return isinstance(found, str) and self.pattern.is_in(found)
        if self.path == ("state",):
            return isinstance(found, str) and any(_same_state(found, wanted) for wanted in self.values)
        if self.comparison is FilterComparison.EQUAL:
            return any(_equals(found, wanted) for wanted in self.values)
        return any(_is_ordered(found, wanted, self.comparison) for wanted in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """The parameters of a list request. `fields` is None for all attributes."""

    filters: tuple[Filter, ...] = ()
    fields: frozenset[str] | None = None
    offset: int = 0
    limit: int
    sort: tuple[SortKey, ...] = ()

    def matches(self, resource: JsonMapping) -> bool:
        """Return whether the resource passes every filter.

        Raises:
            ApiRefusedError: 400 if the regular expressions of this request have taken too many steps.
        """
        try:
            return all(one.matches(resource) for one in self.filters)
        except PatternTooCostlyError:
            sentence = (
                "the regular expressions take too many steps on so many texts: write shorter ones, or add filters by"
                " id, state, name, relatedService or testSpecification"
            )
            raise _refused(sentence, MistakeCode.TOO_MANY) from None

    @property
    def pushdown(self) -> Pushdown:
        """The part of the filters that a database can apply; it never excludes what `matches` accepts."""
        run_ids: tuple[str, ...] | None = None
        states: tuple[str, ...] | None = None
        fields, complete = [], True
        for one in self.filters:
            path = ".".join(one.path)
            if one.comparison is not FilterComparison.EQUAL:
                complete = False
            elif path == "id" and run_ids is None:
                run_ids = one.values
            elif path == "state" and states is None:
                known = (normalise_state(value) for value in one.values)
                states = tuple(dict.fromkeys(state.value for state in known if state is not None))
            elif path in DOCUMENT_PATHS:
                fields.append(FieldIsOneOf(DOCUMENT_PATHS[path], one.values))
            else:
                complete = False
        return Pushdown(run_ids=run_ids, states=states, fields=tuple(fields), is_complete=complete)


def read_list_request(
    parameters: Iterable[tuple[str, str]],
    *,
    default_limit: int,
    max_limit: int,
    attributes: frozenset[str] = ATTRIBUTES,
    sortable: Collection[str] = (),
    states: Collection[str] = (),
) -> ListRequest:
    """Parse the parameters of a list request; a `limit` above `max_limit` is lowered to it.

    `states` are those of what is listed; empty: the states of runs, in any spelling.

    Raises:
        ApiRefusedError: 400 for a parameter that cannot be read, 501 for a JSONPath, or for a list without an order.
    """
    filters: list[Filter] = []
    fields, offset, limit = None, 0, default_limit
    sort: tuple[SortKey, ...] = ()
    budget = PatternBudget()
    for name, value in parameters:
        match name:
            case "fields":
                fields = (fields or frozenset()) | read_fields(value)
            case "offset":
                offset = _whole(name, value, MAX_OFFSET)
            case "limit":
                limit = min(_whole(name, value, MAX_OFFSET, least=1), max_limit)
            case "sort":
                sort += read_sort(value, sortable)
            case "filter":
                sentence = "filter (JSONPath) is not supported: filter by attributes, such as relatedService.id=PI1"
                raise ApiRefusedError(501, [Mistake(MistakeCode.OTHER, sentence)])
            case _:
                filters.append(_read_filter(name, value, attributes, budget))
                _check_filter(filters[-1], name, states)
    if len(filters) > MAX_FILTERS:
        raise _refused(f"a query may have {MAX_FILTERS} filters", MistakeCode.TOO_MANY)
    if len(sort) > MAX_SORT_KEYS:
        raise _refused(f"a list can be sorted by {MAX_SORT_KEYS} attributes", MistakeCode.TOO_MANY)
    return ListRequest(filters=tuple(filters), fields=fields, offset=offset, limit=limit, sort=sort)


def read_fields(value: str) -> frozenset[str]:
    """Return the first-level names of `fields`; unknown ones select nothing."""
    return frozenset(name.strip().partition(".")[0] for name in value.split(",")[:MAX_ALTERNATIVES])


def values_at(value: object, path: Sequence[str]) -> Iterator[object]:
    """Yield every value that a path leads to, through objects and lists."""
    if isinstance(value, list):
        for item in value:
            yield from values_at(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from values_at(value[path[0]], path[1:])


def _read_filter(name: str, value: str, attributes: frozenset[str], budget: PatternBudget) -> Filter:
    parts = tuple(name.split("."))
    endings = {word.value: word for word in FilterComparison}
    comparison = endings.get(parts[-1], FilterComparison.EQUAL) if len(parts) > 1 else FilterComparison.EQUAL
    path = parts[:-1] if len(parts) > 1 and parts[-1] in endings else parts
    if path[0] not in attributes or len(path) > _MAX_PATH:
        raise _refused(f"there is no attribute {name[:80]!r} to filter by")
    if len(value) > MAX_VALUE_LENGTH:
        raise _refused(f"a filter may be {MAX_VALUE_LENGTH} characters long")
    if "\x00" in value:
        raise _refused(f"the filter {name[:80]} holds a NUL character (U+0000)")
    if comparison is FilterComparison.PATTERN:
        return Filter(path, comparison, (value,), _read_pattern(name, value, budget))
    values = tuple(value.split(","))
    if len(values) > MAX_ALTERNATIVES:
        raise _refused(f"a filter may have {MAX_ALTERNATIVES} alternatives", MistakeCode.TOO_MANY)
    if len(values) > 1 and comparison is FilterComparison.EQUAL and path not in _DATES and path != ("state",):
        values = (*values, value)  # a text may have a comma itself, which clients encode in either meaning
    return Filter(path, comparison, values)


def _check_filter(wanted: Filter, name: str, states: Collection[str]) -> None:
    """Refuse a filter that no resource could pass.

    Raises:
        ApiRefusedError: 400.
    """
    first, rest = wanted.path[0], wanted.path[1:]
    if first in _TEXTS and rest:
        endings = ", ".join(word.value for word in FilterComparison)
        raise _refused(f"{name[:80]!r} is no filter: {first} has no attributes, and the comparisons are {endings}")
    if first not in _TEXTS and not rest:
        raise _refused(f"{first} is no text: filter by an attribute inside of it, as in relatedService.id")
    if first in _PARTS and rest and (rest[0] not in _PARTS[first] or len(rest) > 1):
        raise _refused(f"{name[:80]!r} is no filter: {first} has the attributes {', '.join(sorted(_PARTS[first]))}")
    if wanted.pattern is not None:
        return
    if wanted.path in _DATES and not all(map(_as_span, wanted.values)):
        raise _refused(f"{name[:80]} compares with a date or a date and time, such as 2026-01-31T09:35:43Z")
    if wanted.path == ("state",) and not all(_is_state(value, states) for value in wanted.values):
        known = ", ".join(states or KNOWN_STATES)
        raise _refused(f"state names a state that there is not: it may be {known}")


def _is_state(value: str, states: Collection[str]) -> bool:
    return value in states if states else normalise_state(value) is not None


def _read_pattern(name: str, value: str, budget: PatternBudget) -> Pattern:
    try:
        return Pattern(value, budget)
    except PatternError as error:
        raise _refused(f"the regular expression of {name[:80]} cannot be used: {error}") from None


def _refused(sentence: str, code: MistakeCode = MistakeCode.INVALID_VALUE) -> ApiRefusedError:
    return ApiRefusedError(400, [Mistake(code, sentence)])


def _whole(name: str, value: str, most: int, least: int = 0) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > len(str(most)) or not least <= int(value) <= most:
        raise _refused(f"{name} must be a whole number from {least} to {most}")
    return int(value)


def _same_state(found: str, wanted: str) -> bool:
    state = normalise_state(wanted)
    return found == wanted or (state is not None and found == state.value)


def _equals(found: object, wanted: str) -> bool:
    if isinstance(found, bool):
        return wanted == ("true" if found else "false")
    if isinstance(found, int | float):
        number = _as_number(wanted)
        return number is not None and number == found
    if not isinstance(found, str):
        return False
    return found == wanted or _is_same_moment(found, wanted)


def _is_same_moment(found: str, wanted: str) -> bool:
    moment, span = _as_moment(found), _as_span(wanted)
    return moment is not None and span is not None and span[0] <= moment < span[1]


def _is_ordered(found: object, wanted: str, comparison: FilterComparison) -> bool:
    if isinstance(found, bool):
        return False
    if isinstance(found, int | float):
        number = _as_number(wanted)
        return number is not None and _holds(found, number, number, comparison)
    if not isinstance(found, str):
        return False
    moment, span = _as_moment(found), _as_span(wanted)
    if moment is not None and span is not None:
        last = span[1] - timedelta(microseconds=1)
        return _holds(moment, span[0], last, comparison)
    number, own = _as_number(wanted), _as_number(found)
    if number is None:
        return _holds(found, wanted, wanted, comparison)
    return own is not None and _holds(own, number, number, comparison)


def _holds(found: object, first: object, last: object, comparison: FilterComparison) -> bool:
    """Compare with a span, which is one value unless it is a day."""
    match comparison:
        case FilterComparison.GREATER:
            return found > last  # type: ignore[operator,no-any-return]
        case FilterComparison.GREATER_OR_EQUAL:
            return found >= first  # type: ignore[operator,no-any-return]
        case FilterComparison.LESS:
            return found < first  # type: ignore[operator,no-any-return]
        case _:
            return found <= last  # type: ignore[operator,no-any-return]


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _as_moment(text: str) -> datetime | None:
    """Return a moment with date and time; without a zone it is in UTC."""
    if len(text) <= _DAY_LENGTH or not text[:4].isdigit():
        return None
    try:
        # A plus sign that a client did not encode arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _as_span(text: str) -> tuple[datetime, datetime] | None:
    """Return the span of moments that a text means: a whole day, or one moment."""
    try:
        if len(text) == _DAY_LENGTH:
            day = datetime.fromisoformat(text).replace(tzinfo=UTC)
            return day, day + timedelta(days=1)
        moment = _as_moment(text)
        return None if moment is None else (moment, moment + timedelta(microseconds=1))
    except (ValueError, OverflowError):
        return None
