"""Say where a message goes: its topic, and the key that keeps it in order with its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from schemas.commands import CancelRun, ChangeRun, SendRun
from schemas.inbound import InboundReceived
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.outcomes import RequestResult, RunResult, RunUpdate

if TYPE_CHECKING:
    from schemas.catalogue import Message
    from schemas.topics import TopicNames


def topic_of(names: TopicNames, message: Message) -> str:
    """Name the topic that this message travels on, prefix included."""
    match message:
        case RunRequested() | RunChanged() | RunCancelled():
            return names.lifecycle
        case SendRun() | ChangeRun() | CancelRun():
            return names.dispatch(message.spoke)
        case InboundReceived():
            return names.inbound
        case RunUpdate():
            return names.inflight
        case RunResult() | RequestResult():
            return names.results
        case _:
            assert_never(message)


def key_of(message: Message) -> str:
    """Give the key: the root run's id, or `<spoke>:<external id>` for what came in."""
    match message:
        case RunRequested() | RunChanged() | SendRun() | ChangeRun():
            return message.run.root_run_id
        case InboundReceived():
            return f"{message.spoke}:{message.external_id}"
        case RunCancelled() | CancelRun() | RunUpdate() | RunResult() | RequestResult():
            return message.root_run_id
        case _:
            assert_never(message)
