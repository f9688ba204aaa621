"""The topic of a message, and the key that keeps it in order with related messages."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from schemas.commands import CancelRun, ChangeRun, SendRun
from schemas.inbound import InboundReceived
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.results import RequestResult, RunResult, RunUpdate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.catalogue import EventData
    from schemas.topics import TopicNames


def topic_of(names: TopicNames, message: EventData) -> str:
    """Return the topic of this message, prefix included."""
    return _TOPICS[type(message)](names, message)


def key_of(message: EventData) -> str:
    """Return the key: the root run's id, or `<spoke>:<external id>` for a report."""
    return _KEYS[type(message)](message)


def root_run_key(message: EventData) -> str | None:
    """Return the key of a message about a run, which is the id of its root run; None for reports."""
    return None if isinstance(message, InboundReceived) else key_of(message)


# By type and not by `match`, which tests ten classes in turn: every event is looked up here.
_TOPICS: Mapping[type[EventData], Callable[[TopicNames, Any], str]] = {
    **dict.fromkeys((RunRequested, RunChanged, RunCancelled), lambda names, _: names.lifecycle),
    **dict.fromkeys((SendRun, ChangeRun, CancelRun), lambda names, command: names.dispatch(command.spoke)),
    InboundReceived: lambda names, _: names.inbound,
    RunUpdate: lambda names, _: names.inflight,
    **dict.fromkeys((RunResult, RequestResult), lambda names, _: names.results),
}
_KEYS: Mapping[type[EventData], Callable[[Any], str]] = {
    **dict.fromkeys((RunRequested, RunChanged, SendRun, ChangeRun), attrgetter("run.root_run_id")),
    InboundReceived: lambda received: f"{received.spoke}:{received.external_id}",
    **dict.fromkeys((RunCancelled, CancelRun, RunUpdate, RunResult, RequestResult), attrgetter("root_run_id")),
}
