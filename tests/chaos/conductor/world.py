"""Everything of one scenario: the cluster, the store, two systems, the worker processes and the oracle."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from producers.kafka_publisher import KafkaPublisher, producer_settings
from producers.publisher import Message, PublishError
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.topics import TopicNames, all_topics
from southbound.broker.server import reserve_port
from southbound.operations.topic_admin import TopicAdmin
from southbound.settings.settings import DEFAULTS, KafkaSettings, Settings
from tests.chaos.conductor.cluster import a_cluster
from tests.chaos.conductor.desk import ConductedDesk
from tests.chaos.conductor.oracle import Breach, Oracle
from tests.chaos.conductor.reader import PublishedRecords, TopicJudge, read_committed, read_lag
from tests.chaos.conductor.setup import PROFILE, SESSION, SETTLE_TIME, SPOKES, Setup
from tests.chaos.conductor.store_server import StoreServer, a_store
from tests.chaos.conductor.system import ConductedSystem
from tests.chaos.conductor.workers import ConductedWorker, keep_running
from tests.fixtures.published_tables import POLICY, SELECTOR, publish_tables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from schemas.lifecycle import LifecycleEvent
    from tests.chaos.conductor.cluster import KafkaCluster
    from tests.chaos.conductor.load import LoadItem

PREFIX = "chaos."
STALLED = 180.0  # seconds without a result after which what is open counts as lost
PROGRESS = ("posts", "patches", "updates", "results")
LAG_TIMEOUT = 60.0
STALL = 0.5  # seconds for which the systems answer nothing because this process gets no CPU: a disturbance of its own


@dataclass(slots=True, kw_only=True)
class World:
    """One scenario's surroundings. `seed` decides every draw; the timing is that of the machine."""

    seed: int
    setup: Setup
    folder: Path
    cluster: KafkaCluster
    store: StoreServer
    names: TopicNames
    oracle: Oracle
    judge: TopicJudge
    records: PublishedRecords
    systems: dict[str, ConductedSystem]
    desk: ConductedDesk | None  # where runs are written back to
    workers: dict[str, ConductedWorker]
    publisher: KafkaPublisher
    envelope: Envelope = field(default_factory=lambda: Envelope(Codec(), source="/chaos"))
    counts: Counter[str]
    published: int = 0  # lifecycle records
    is_loaded: bool = False  # whether all records are published
    log: list[str] = field(default_factory=list)
    watchers: list[asyncio.Future[None]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.began

    def note(self, words: str) -> None:
        """Record a disturbance: a second POST can be explained by it."""
        self.oracle.disturbed(self.now())
        self.log.append(f"{self.now():8.2f} {words}")

    def dice(self, purpose: str) -> random.Random:
        """Return a dice of its own for each purpose, so that one does not depend on the pace of another."""
        return random.Random(f"{self.seed} {purpose}")  # noqa: S311 - it repeats what a seed led to

    @property
    def settings(self) -> Settings:
        """The settings of commands that need Kafka alone."""
        return Settings(kafka=KafkaSettings(bootstrap=self.cluster.bootstrap, prefix=PREFIX))

    def groups(self) -> dict[str, str]:
        """Return the topic of each consumer group."""
        roles = {"routing": self.names.lifecycle, "inbound": self.names.inbound}
        roles |= {f"dispatch.{spoke}": self.names.dispatch(spoke) for spoke in SPOKES}
        return {f"{PREFIX}southbound.{role}": topic for role, topic in roles.items()}

    async def publish(self, item: LoadItem) -> None:
        """Publish the records of one key in their order, however long the broker is away."""
        for record in item.records:
            message = self._message(item, record)
            while not await self._is_acknowledged(message):  # noqa: ASYNC110 - the broker is away, nothing tells when
                await asyncio.sleep(0.5)
            self.published += 1

    def _message(self, item: LoadItem, record: LifecycleEvent | bytes) -> Message:
        key = item.key.encode() if item.keyed else None
        if isinstance(record, bytes):
            return Message(self.names.lifecycle, key, record)
        event = Event(headers=EventHeaders(id=uuid.uuid4().hex), data=record)
        value, headers = self.envelope.encode(event)
        return Message(self.names.lifecycle, key, value, tuple(headers))

    async def _is_acknowledged(self, message: Message) -> bool:
        try:
            await self.publisher.publish([message])
        except PublishError:
            return False
        return True

    async def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = 60.0) -> bool:
        """Return whether the condition became true in time; if it does not, that is part of the log."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                self.log.append(f"{self.now():8.2f} not within {seconds:g} s: {what}")
                return False
            await asyncio.sleep(0.05)
        return True

    async def wait_for_results(self) -> None:
        """Return when every run has ended, or nothing has happened for a long time."""
        seen, since = -1, time.monotonic()
        while open_runs := self.open_results():
            done = sum(self.oracle.counts[name] for name in PROGRESS) + len(self.oracle.request_results)
            if done != seen:
                seen, since = done, time.monotonic()
            if time.monotonic() - since > STALLED:
                self.log.append(f"{self.now():8.2f} nothing for {STALLED:g} s, {open_runs} results are missing")
                return
            await asyncio.sleep(0.1)

    def open_results(self) -> int:
        """Return how many results of runs and requests are missing."""
        oracle = self.oracle
        roots = len(oracle.expected) - len(oracle.parents)
        return len(oracle.expected) + roots - len(oracle.results) - len(oracle.request_results)

    async def wait_for_lag(self) -> None:
        """Record a violation unless everything is committed soon."""
        deadline = time.monotonic() + LAG_TIMEOUT
        while lag := await asyncio.to_thread(read_lag, self.cluster.bootstrap, self.groups(), self.setup.partitions):
            if time.monotonic() > deadline:
                self.oracle.breach(Breach.LAG, str(lag))
                return
            await asyncio.sleep(0.2)

    def check_watchers(self) -> None:
        """Raise why a watcher ended, if one did: without it, what is reported would be wrong."""
        for watcher in self.watchers:
            if watcher.done():
                watcher.result()

    async def follow(self) -> None:
        """Report what is published to the oracle, until this task is cancelled."""
        while True:
            self.records.check()
            self.judge.report(self.records.take())
            await asyncio.sleep(0.02)

    async def watch_stalls(self) -> None:
        """Record when this process, and so each system, did nothing for a while, until this task is cancelled."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.1)
            if (stalled := time.monotonic() - before - 0.1) > STALL:
                self.note(f"the systems answered nothing for {stalled:.1f} s")
                self.oracle.stalled(self.now() - stalled, self.now())
                self.counts["stalls"] += 1

    async def sample_commits(self) -> None:
        """Compare committed offsets with what the systems received, until this task is cancelled."""
        groups = {group: topic for group, topic in self.groups().items() if ".dispatch." in topic}
        while True:
            await asyncio.sleep(2.0)
            self.judge.compare(
                await asyncio.to_thread(read_committed, self.cluster.bootstrap, groups, self.setup.partitions)
            )


@asynccontextmanager
async def a_world(setup: Setup, seed: int, folder: Path) -> AsyncIterator[World]:
    """Start everything but the workers, and stop everything at the end."""
    async with AsyncExitStack() as stack:
        cluster = stack.enter_context(a_cluster(folder, setup.nodes, small_disk=setup.small_broker_disk))
        store = stack.enter_context(a_store(setup.store, folder, small_disk=setup.small_disk))
        names, oracle, counts = TopicNames(PREFIX), Oracle(settle_time=SETTLE_TIME), Counter[str]()
        _create_topics(cluster.bootstrap, setup.partitions)
        began, listener = time.monotonic(), stack.enter_context(reserve_port()).port
        systems = {
            name: ConductedSystem(
                name=name,
                seed=seed,
                oracle=oracle,
                now=lambda: time.monotonic() - began,
                callback_url=f"http://127.0.0.1:{listener}/{name}/listener",
            )
            for name in SPOKES
        }
        for system in systems.values():
            await system.start()
            stack.push_async_callback(system.close)
        publisher = KafkaPublisher(producer_settings(cluster.bootstrap))
        stack.push_async_callback(publisher.close)
        records = PublishedRecords(cluster.bootstrap, names, SPOKES, setup.partitions, with_ends=setup.writers > 0)
        judge = TopicJudge(oracle=oracle, names=names)
        desk = await _open_desk(stack, setup, seed, judge)
        stack.callback(records.close)
        world = World(
            seed=seed,
            setup=setup,
            folder=folder,
            cluster=cluster,
            store=store,
            names=names,
            oracle=oracle,
            judge=judge,
            records=records,
            systems=systems,
            desk=desk,
            workers={},
            publisher=publisher,
            counts=counts,
            began=began,
        )
        ports = {name: stack.enter_context(reserve_port()).port for name in setup.roles()}
        _add_workers(world, _write_profiles(world), listener, ports)
        stack.push_async_callback(_end_workers, world)
        if setup.published_tables:
            await publish_tables(world.settings, POLICY, SELECTOR)
        watching = (world.follow(), world.sample_commits(), world.watch_stalls())
        async with _background(*watching, keep_running(lambda: [*world.workers.values()])) as tasks:
            world.watchers.extend(tasks)
            yield world


async def _open_desk(stack: AsyncExitStack, setup: Setup, seed: int, judge: TopicJudge) -> ConductedDesk | None:
    if not setup.writers:
        return None
    dice = random.Random(f"{seed} desk")  # noqa: S311 - it repeats what a seed led to
    desk = ConductedDesk(dice=dice, ends=judge.ends)
    await stack.enter_async_context(desk.instance)
    return desk


@asynccontextmanager
async def _background(*work: Awaitable[None]) -> AsyncIterator[Sequence[asyncio.Future[None]]]:
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _end_workers(world: World) -> None:
    for worker in world.workers.values():
        if worker.process is not None:
            worker.process.kill()


def _create_topics(bootstrap: str, partitions: int) -> None:
    admin = TopicAdmin({"bootstrap.servers": bootstrap})
    topics = [replace(topic, partitions=min(topic.partitions, partitions)) for topic in all_topics(PREFIX, SPOKES)]
    admin.apply(admin.plan(topics))


def _write_profiles(world: World) -> Path:
    folder = world.folder / "spokes"
    folder.mkdir()
    for name, system in world.systems.items():
        profile = YAML(typ="safe").load(DEFAULTS / "spokes" / f"{name}.yaml")
        with (folder / f"{name}.yaml").open("w") as stream:
            address = {"base_url": system.base_url}
            YAML(typ="safe").dump(profile | PROFILE | dict(world.setup.profile) | address, stream)
    return folder


def _add_workers(world: World, profiles: Path, listener: int, health_ports: Mapping[str, int]) -> None:
    targets = world.desk.write_target(world.folder) if world.desk is not None else None
    for name, roles in world.setup.roles().items():
        settings: dict[str, object] = {
            "kafka": {
                "bootstrap": world.cluster.bootstrap,
                "prefix": PREFIX,
                "group": f"{PREFIX}southbound",
                "client": _client_settings(world.setup),
                **dict(world.setup.kafka),
                **({"instance": name} if world.setup.kafka.get("static_membership") else {}),
            },
            "store": {"url": world.store.url},
            "routing": {"spokes": str(profiles), "tables": "topic" if world.setup.published_tables else "files"},
            "worker": {"commit_every": 0.2, **dict(world.setup.worker)},
            "listener": {"port": listener if "listener" in roles else 0},
            "log": {"format": "json"},
            **({"writeback": {"targets": str(targets)}} if targets is not None and "writeback" in roles else {}),
        }
        world.workers[name] = ConductedWorker(
            name=name,
            roles=roles,
            folder=world.folder,
            settings=settings,
            health_port=health_ports[name],
            oracle=world.oracle,
            counts=world.counts,
        )


def _client_settings(setup: Setup) -> dict[str, object]:
    # The protocol `consumer` has the broker's session and heartbeat.
    session = {"session.timeout.ms": int(SESSION * 1000), "heartbeat.interval.ms": 300}
    return {**({} if setup.kafka.get("protocol") == "consumer" else session), **setup.client}


def processing(world: World) -> Sequence[ConductedWorker]:
    """Return the workers that process records of runs, without those that only listen or write back."""
    return [worker for worker in world.workers.values() if worker.roles not in (("listener",), ("writeback",))]


def writing(world: World) -> Sequence[ConductedWorker]:
    """Return the workers that write runs back."""
    return [worker for worker in world.workers.values() if worker.roles == ("writeback",)]
