"""Collect what the topics say of each run of one hierarchy, in an order that does not depend on the topics' order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from router.runs.message_ids import derive_message_id
from router.specifications.enrichment import as_routed
from schemas.commands import CancelRun, ChangeRun, SendRun
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.results import RequestResult, RunResult, RunUpdate
from schemas.vocabulary import UpdateKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from schemas.codec.envelope import Event
    from schemas.commands import Command
    from schemas.run_document import RunDocument


class RecordedEvent(NamedTuple):
    """An event, and when Kafka recorded it. `is_done`: its consumer group has committed it, so it is not read again."""

    event: Event
    recorded_at: datetime
    is_done: bool = False


class RecordedRequest(NamedTuple):
    """A `RunRequested` or `RunChanged` that carries the document of a run, its own or that of its root."""

    event_id: str
    document: RunDocument
    is_change: bool
    redriven_at: datetime | None = None


@dataclass(slots=True)
class RunHistory:
    """What the topics say of one run.

    `requests` are in the order of the lifecycle topic, `notifications` by revision, a result after the update of the
    same revision.
    """

    run_id: str
    first_recorded_at: datetime
    last_recorded_at: datetime
    requests: list[RecordedRequest] = field(default_factory=list)
    send: SendRun | None = None
    send_recorded_at: datetime | None = None
    is_embedded: bool = False  # in the command of its root, and in no other
    has_open_command: bool = False  # one that is not committed
    redriven_at: datetime | None = None  # its command
    first_published_at: datetime | None = None  # its command or a notification
    change_commands: dict[str, ChangeRun] = field(default_factory=dict)  # by event id
    cancel: CancelRun | None = None
    cancelled_by: list[str] = field(default_factory=list)  # ids of `RunCancelled`
    notifications: list[RunUpdate | RunResult] = field(default_factory=list)
    notified_at: datetime | None = None  # when the newest notification was recorded first
    seen: set[tuple[int, str]] = field(default_factory=set)  # what identifies each notification

    @property
    def created_at(self) -> datetime:
        """When Kafka recorded the request that created the run: not the one that was a dead letter before."""
        published = self.first_published_at
        redriven = [at for each in self.requests if (at := each.redriven_at) and (published is None or at <= published)]
        return max(redriven, default=self.first_recorded_at)

    @property
    def known_requests(self) -> list[RecordedRequest]:
        """The requests from the first `RunRequested` on: a change that came before it was a dead letter."""
        first = next((index for index, each in enumerate(self.requests) if not each.is_change), 0)
        return self.requests[first:]

    @property
    def changes(self) -> dict[int, ChangeRun]:
        """The newest command for each version."""
        return {command.run.version: command for command in self.change_commands.values()}

    def was_changed_by(self, event_id: str) -> bool:
        """Return whether a lifecycle event led to one of the commands that change the run."""
        return any(derive_message_id(event_id, each) == known for known, each in self.change_commands.items())

    @property
    def command(self) -> Command | None:
        """A command about the run; all of a run have the same request, spoke and decision."""
        return self.send or next(iter(self.changes.values()), None) or self.cancel

    def document_of_version(self, version: int) -> RunDocument | None:
        """Return the document with this version, as it was commanded, else as it was requested."""
        changes = self.changes
        if version in changes:
            return changes[version].run
        if self.send is not None and self.send.run.version == version:
            return self.send.run
        found = [each.document for each in self.requests if each.document.version == version]
        known = self.commanded_document
        return (as_routed(found[-1], known) if known else found[-1]) if found else None

    @property
    def commanded_document(self) -> RunDocument | None:
        """The newest document that a command carries."""
        documents = [each.run for each in self.changes.values()] + ([self.send.run] if self.send else [])
        return max(documents, key=lambda document: document.version, default=None)


@dataclass(slots=True)
class HierarchyHistory:
    """What the topics say of all runs of one root run.

    `published_results` are the ids of requests whose result is published.
    """

    root_run_id: str
    runs: dict[str, RunHistory] = field(default_factory=dict)
    lifecycle: list[Event] = field(default_factory=list)
    published_results: set[str] = field(default_factory=set)

    @property
    def root(self) -> RunHistory | None:
        """The history of the root run."""
        return self.runs.get(self.root_run_id)


def collect(root_run_id: str, recorded: Iterable[RecordedEvent]) -> HierarchyHistory:
    """Collect the events of one root run. Those of one topic are in its order; topics may come in any order."""
    history = HierarchyHistory(root_run_id)
    for event, at, is_done in recorded:
        if not _is_copy(history, event):
            _add(history, event, at, is_done=is_done)
    for run in history.runs.values():
        run.notifications = _in_order(run.notifications)
    return history


def _is_copy(history: HierarchyHistory, event: Event) -> bool:
    """Return whether a lifecycle event is a replayed copy of one that the topic still has."""
    return event.headers.is_replayed and any(event.id == each.id for each in history.lifecycle)


def _add(history: HierarchyHistory, event: Event, at: datetime, *, is_done: bool) -> None:
    match event.data:
        case RunRequested() | RunChanged() as requested:
            history.lifecycle.append(event)
            for document in _documents(requested.run):
                redriven_at = at if event.headers.is_redriven else None
                entry = RecordedRequest(event.id, document, isinstance(requested, RunChanged), redriven_at)
                _run(history, document.run_id, at).requests.append(entry)
        case RunCancelled() as cancelled:
            history.lifecycle.append(event)
            _run(history, cancelled.run_id, at).cancelled_by.append(event.id)
        case SendRun() as command:
            for document in _documents(command.run):
                run = _run(history, document.run_id, at)
                run.has_open_command = run.has_open_command or not is_done
                run.is_embedded = document is not command.run and (run.send is None or run.is_embedded)
                _add_send(run, command, document, event, at)
        case ChangeRun() as command:
            _run(history, command.run.run_id, at).change_commands[event.id] = command
        case CancelRun() as command:
            _run(history, command.run_id, at).cancel = command
        case RunUpdate() | RunResult() as notification if notification.revision > 0:  # 0: the store never had the run
            _add_notification(_run(history, notification.run_id, at), notification, at)
        case RequestResult() as result:
            history.published_results.add(result.request_id)
        case _:
            pass


def _add_notification(run: RunHistory, notification: RunUpdate | RunResult, at: datetime) -> None:
    if _identity(notification) in run.seen:  # one that is published again has the same content
        return
    run.seen.add(_identity(notification))
    run.notifications.append(notification)
    _note_publication(run, at)
    run.notified_at = at if run.notified_at is None else max(at, run.notified_at)


def _documents(root: RunDocument) -> Iterator[RunDocument]:
    yield root
    yield from root.children


def _add_send(run: RunHistory, command: SendRun, document: RunDocument, event: Event, at: datetime) -> None:
    own = document.model_copy(update={"children": ()}) if document.children else document
    if run.send is None or own.version >= run.send.run.version:
        run.send = command if own is command.run else command.model_copy(update={"run": own})
    run.send_recorded_at = at if run.send_recorded_at is None else max(at, run.send_recorded_at)
    _note_publication(run, at)
    if event.headers.is_redriven:
        run.redriven_at = at if run.redriven_at is None else max(at, run.redriven_at)


def _note_publication(run: RunHistory, at: datetime) -> None:
    run.first_published_at = min(run.first_published_at or at, at)


def _run(history: HierarchyHistory, run_id: str, at: datetime) -> RunHistory:
    run = history.runs.get(run_id)
    if run is None:
        run = history.runs[run_id] = RunHistory(run_id, first_recorded_at=at, last_recorded_at=at)
    run.first_recorded_at = min(run.first_recorded_at, at)
    run.last_recorded_at = max(run.last_recorded_at, at)
    return run


def _in_order(notifications: list[RunUpdate | RunResult]) -> list[RunUpdate | RunResult]:
    # A run is accepted first of all that one revision may say, and its result is last.
    return sorted(notifications, key=lambda each: (each.revision, isinstance(each, RunResult), _order(each)))


def _identity(notification: RunUpdate | RunResult) -> tuple[int, str]:
    """Return what a notification has in common only with itself, published again."""
    return notification.revision, str(notification.kind) if isinstance(notification, RunUpdate) else ""


def _order(notification: RunUpdate | RunResult) -> int:
    return 0 if isinstance(notification, RunUpdate) and notification.kind is UpdateKind.ACCEPTED else 1
