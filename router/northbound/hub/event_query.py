"""Match events against the query of a subscription: `eventType=A,B&state=completed,failed&fields=id,state`.

A comma means "or", and so does a name that is repeated; different names must all match.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.northbound.hub.run_changes import HubEventType
from router.runs.states import KNOWN_STATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_QUERY_LENGTH = 2_000  # characters
MAX_VALUES = 50
EVENT_TYPE, FIELDS = "eventType", "fields"
# What a query may select by, besides the type of the event; the tenant follows from who subscribes.
MATCHED_PATHS = (
    "id",
    "name",
    "state",
    "mode",
    "lifecycleStatus",
    "relatedService.id",
    "relatedService.name",
    "testSpecification.id",
    "testSpecification.name",
)
_PREFIXES = (
    "event.serviceTestSpecification.",
    "event.serviceTest.",
    "serviceTestSpecification.",
    "serviceTest.",
    "event.",
)
ALWAYS_SHOWN = ("id", "href", "@type")


class EventQueryError(ValueError):
    """The query cannot be understood; the message says what can be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """A query. `event_types` None: all types; `fields` None: all attributes of the run."""

    event_types: frozenset[str] | None = None
    conditions: Mapping[str, frozenset[str]]
    fields: tuple[str, ...] | None = None

    def matches(self, event_type: str, resource: Mapping[str, object]) -> bool:
        """Return whether an event with this resource is delivered."""
        if self.event_types is not None and event_type not in self.event_types:
            return False
        return all(_value_at(resource, path) in wanted for path, wanted in self.conditions.items())

    def shown(self, resource: Mapping[str, object], all_fields: tuple[str, ...] | None) -> dict[str, object]:
        """Return the attributes of the resource that the subscriber wants; `all_fields` where it names none."""
        wanted = self.fields if self.fields is not None else all_fields
        if wanted is None:
            return dict(resource)
        return {name: value for name, value in resource.items() if name in wanted or name in ALWAYS_SHOWN}


def event_query(pairs: Iterable[tuple[str, str]]) -> EventQuery:
    """Return the query of its decoded names and values.

    Raises:
        EventQueryError: a name or an event type is unknown, or there are too many values.
    """
    found: dict[str, list[str]] = {}
    for name, text in pairs:
        found.setdefault(_known_name(name.strip()), []).extend(_values(name, text))
    if sum(map(len, found.values())) > MAX_VALUES:
        raise EventQueryError(f"the query has more than {MAX_VALUES} values: subscribe more than once, or select less")
    types, fields = found.pop(EVENT_TYPE, None), found.pop(FIELDS, None)
    return EventQuery(
        event_types=None if types is None else frozenset([_known_type(name) for name in types]),
        conditions={path: frozenset(values) for path, values in found.items()},
        fields=None if fields is None else tuple(dict.fromkeys(fields)),
    )


def check_states(query: EventQuery) -> None:
    """Return if every state in a new query is one that runs are shown in; older subscriptions are read all the same.

    Raises:
        EventQueryError: no event would ever match.
    """
    for state in sorted(query.conditions.get("state", frozenset()) - {*KNOWN_STATES}):
        raise EventQueryError(
            f"the query names {state[:80]!r}, which no run is in: write one of {', '.join(KNOWN_STATES)}"
        )


def canonical(query: EventQuery) -> str:
    """Return the same text for queries that mean the same."""
    types = sorted(query.event_types) if query.event_types is not None else None
    conditions = sorted((path, sorted(values)) for path, values in query.conditions.items())
    return repr((types, conditions, sorted(query.fields) if query.fields is not None else None))


def matched_part(resource: Mapping[str, object]) -> dict[str, object]:
    """Return what identifies the resource and what queries select by: all that is kept of a run that was announced."""
    kept: dict[str, object] = {name: resource[name] for name in ALWAYS_SHOWN if name in resource}
    for path in MATCHED_PATHS:
        value = _value_at(resource, path)
        first, _, rest = path.partition(".")
        if value is not None and rest:
            part = kept.setdefault(first, {})
            if isinstance(part, dict):
                part[rest] = value
        elif value is not None:
            kept[first] = value
    return kept


def _values(name: str, text: str) -> list[str]:
    values = [value.strip() for value in text.split(",")]
    if not all(values):
        raise EventQueryError(f"{name[:80]!r} has no value: write `{name[:80]}=value` or several values with commas")
    return values


def _known_name(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    if name not in (EVENT_TYPE, FIELDS, *MATCHED_PATHS):
        known = ", ".join((EVENT_TYPE, FIELDS, *MATCHED_PATHS))
        raise EventQueryError(f"the query cannot select by {name[:80]!r}: it may name {known}")
    return name


def _known_type(name: str) -> str:
    if name not in set(HubEventType):
        raise EventQueryError(f"there is no eventType {name[:80]!r}: there are {', '.join(HubEventType)}")
    return name


def _value_at(resource: Mapping[str, object], path: str) -> object:
    first, _, rest = path.partition(".")
    value = resource.get(first)
    if not rest:
        return value
    return value.get(rest) if isinstance(value, dict) else None
