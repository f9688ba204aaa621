"""Stateful objects that the handlers of a process share are built once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from consumers.metrics import Metrics
from producers.event_publisher import EventPublisher
from router.runs.events import Refused
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.lifecycle import RunRequested
from schemas.results import Reason
from schemas.topics import TopicNames
from schemas.vocabulary import Phase
from southbound.service.composition import shared_resources, tasks, workers
from southbound.service.composition.role_builders import build_workers
from southbound.service.composition.shared_resources import SharedResources
from southbound.service.composition.tasks import build_poller, pending_request_expiry, waiting_queue_releaser
from southbound.service.load_rules import load_rules
from southbound.service.roles import Role, default_roles
from southbound.service.table_sources import FileTables
from southbound.settings.settings import Settings
from tests.builders.runs import NOON, SINGLE, a_document, a_run
from tests.fakes.external_system import FakeSystem
from tests.fakes.recording_publisher import RecordingPublisher
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import ENVELOPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from router.runs.run import RequestRow, RunRow
    from router.selection.thresholds import ThresholdUse


class CountingStore(InMemoryRunStore):
    """Counts transactions."""

    transactions = 0

    async def save_each(
        self, saves: Sequence[Sequence[RunRow | RequestRow | ThresholdUse]]
    ) -> Sequence[Exception | None]:
        self.transactions += 1
        return await super().save_each(saves)


def some_parts(store: InMemoryRunStore) -> SharedResources:
    settings = Settings()
    rules = load_rules(settings.routing)
    return SharedResources(
        settings=settings,
        rules=rules,
        tables=FileTables(tables=rules.tables),  # type: ignore[arg-type] # the shipped ones are files
        store=store,
        events=EventPublisher(publisher=RecordingPublisher(), envelope=ENVELOPE, topics=TopicNames()),
        client=FakeSystem(),
        metrics=Metrics(),
    )


def count_instances(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    """Return a list to which every object is added that composition creates under this name."""
    instances: list[object] = []
    modules = [module for module in (shared_resources, tasks, workers) if hasattr(module, name)]
    original = getattr(modules[0], name)

    def record(*positional: Any, **named: Any) -> Any:  # noqa: ANN401 - the signature of what it replaces
        instances.append(original(*positional, **named))
        return instances[-1]

    for module in modules:
        monkeypatch.setattr(module, name, record)
    return instances


async def test_all_roles_of_a_process_share_stateful_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    instances = {name: count_instances(monkeypatch, name) for name in ("RunUpdater", "Decider", "spoke_for")}
    parts = some_parts(InMemoryRunStore())
    build_workers(parts, (*default_roles(parts.settings), Role.WRITEBACK))
    build_poller(parts)
    pending_request_expiry(parts)
    waiting_queue_releaser(parts)
    profiles = len(parts.rules.profiles)
    assert {name: len(built) for name, built in instances.items()} == {
        "RunUpdater": 1,
        "Decider": 1,
        "spoke_for": profiles,
    }


async def test_concurrent_saves_of_two_roles_are_one_transaction() -> None:
    rows = [a_run(run_id, phase=Phase.SENDING, decision=SINGLE) for run_id in ("TR0001", "TR0002")]
    store = CountingStore(*rows)
    parts = some_parts(store)
    cause = Event(headers=EventHeaders(id="E1", time=NOON), data=RunRequested(run=a_document()))
    refused = Refused(reasons=(Reason(code="NO_SUCH_LINE", message="There is no such line."),))
    updaters = (pending_request_expiry(parts).updater, waiting_queue_releaser(parts).updater)
    await asyncio.gather(
        *(updater.store_fact(cause, row, refused) for updater, row in zip(updaters, rows, strict=True))
    )
    assert store.transactions == 1
