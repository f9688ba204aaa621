"""The closed list of events: the name, model and topic of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from schemas.commands import CancelRun, ChangeRun, Command, SendRun
from schemas.inbound import InboundReceived
from schemas.lifecycle import LifecycleEvent, RunCancelled, RunChanged, RunRequested
from schemas.results import RequestResult, RunNotification, RunResult, RunUpdate

NAMESPACE = "southbound.testrun"
TYPE_PREFIX = "southbound."

EventData = LifecycleEvent | Command | InboundReceived | RunNotification


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """One event type. `versions` counts its Avro files v1, v2, …; `travels_on` names its kind of topic."""

    model: type[EventData]
    versions: int
    travels_on: str

    @property
    def name(self) -> str:
        """The short name, e.g. `RunRequested`: that of the model and of the Avro record, used in event files."""
        return self.model.__name__

    @property
    def ce_type(self) -> str:
        """The CloudEvents type, e.g. `southbound.RunRequested`."""
        return f"{TYPE_PREFIX}{self.name}"

    @property
    def subject(self) -> str:
        """The full Avro name, which is also the registry subject (record name strategy)."""
        return f"{NAMESPACE}.{self.name}"


CATALOGUE = (
    EventType(model=RunRequested, versions=4, travels_on="lifecycle"),
    EventType(model=RunChanged, versions=4, travels_on="lifecycle"),
    EventType(model=RunCancelled, versions=1, travels_on="lifecycle"),
    EventType(model=SendRun, versions=4, travels_on="dispatch"),
    EventType(model=ChangeRun, versions=4, travels_on="dispatch"),
    EventType(model=CancelRun, versions=1, travels_on="dispatch"),
    EventType(model=InboundReceived, versions=1, travels_on="inbound"),
    EventType(model=RunUpdate, versions=6, travels_on="inflight"),
    EventType(model=RunResult, versions=3, travels_on="results"),
    EventType(model=RequestResult, versions=2, travels_on="results"),
)

# What other services read: JSON or Avro by the setting `kafka.format`. Everything else of ours is Avro.
NOTIFICATIONS = frozenset(entry.model for entry in CATALOGUE if entry.travels_on in {"inflight", "results"})

_BY_MODEL = {entry.model: entry for entry in CATALOGUE}
_TYPES = {entry.model: entry.ce_type for entry in CATALOGUE}
_BY_NAME = {name: entry for entry in CATALOGUE for name in (entry.ce_type, entry.name)}


def event_type_of(model: type[EventData]) -> EventType:
    """Return the entry of a message class."""
    return _BY_MODEL[model]


def ce_type_of(model: type[EventData]) -> str:
    """Return the CloudEvents type of a message class, e.g. `southbound.RunRequested`."""
    return _TYPES[model]


def find_event_type(name: str) -> EventType | None:
    """Return the entry of a CloudEvents type (`southbound.RunRequested`) or of a short name (`RunRequested`)."""
    return _BY_NAME.get(name)


@cache
def event_names_on(topic: str) -> tuple[str, ...]:
    """Return the names of the events on `lifecycle`, `dispatch`, `inbound`, `inflight` or `results`."""
    return tuple(entry.name for entry in CATALOGUE if entry.travels_on == topic)
