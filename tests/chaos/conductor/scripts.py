"""Disturbances in an exact order, for the lines of the catalogue that a random mix would seldom meet."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import closing, suppress
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from ruamel.yaml import YAML

from southbound.exit_codes import ExitCode
from tests.chaos.conductor.desk import LATENCY
from tests.chaos.conductor.hands import ANY_EXIT
from tests.chaos.conductor.load import RUBBISH
from tests.chaos.conductor.oracle import Breach, Fault
from tests.chaos.conductor.reader import read_committed
from tests.chaos.conductor.setup import SESSION, SPOKES
from tests.chaos.conductor.system import FaultPlan
from tests.chaos.conductor.workers import PROGRAM
from tests.chaos.conductor.world import processing, writing
from tests.fixtures.processes import ROOT
from tests.fixtures.published_tables import SELECTOR, publish_tables

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.chaos.conductor.cluster import ClusterNode
    from tests.chaos.conductor.hands import Hand
    from tests.chaos.conductor.workers import ConductedWorker
    from tests.chaos.conductor.world import World

    ChaosScript = Callable[[Hand], Awaitable[None]]

AWAY = 60.0  # seconds, of the scenarios of a minute
MAX_DROPS = 20  # attempts to release what is held
WRITER_KILLS = 10
MIN_CHANGES = 4  # of the tables while records are replayed; fewer show nothing
SOME = 60  # results after which a script begins


async def wait_for_work(world: World, results: int = SOME) -> None:
    """Return when some more runs have ended."""
    target = len(world.oracle.results) + results
    await world.wait_until(lambda: len(world.oracle.results) >= target, f"{target} results")


def one_of_them(hand: Hand, number: int = -1) -> ConductedWorker:
    """Return a worker that processes records."""
    return processing(hand.world)[number]


def bounce(
    *, times: int, down: float, delay: float = 0.0, allowed: tuple[int, ...] = (ExitCode.SUCCESS,)
) -> ChaosScript:
    """Stop and start a worker under load, while the systems answer after `delay` seconds."""

    async def script(hand: Hand) -> None:
        for system in hand.world.systems.values():
            system.answer_delay = delay
        for _ in range(times):
            await wait_for_work(hand.world, 20)
            await hand.stop(one_of_them(hand), allowed=allowed, down=down)
        for system in hand.world.systems.values():
            system.answer_delay = 0.0

    return script


def kills(*, times: int, down: float) -> ChaosScript:
    """Kill one worker again and again."""

    async def script(hand: Hand) -> None:
        for _ in range(times):
            await wait_for_work(hand.world, 20)
            await hand.kill(one_of_them(hand), down=down)

    return script


async def kill_writers(hand: Hand) -> None:
    """Kill the writers in turn while the target fails in many ways, each time at a random point of a random write."""
    world = hand.world
    desk, writers = world.desk, writing(world)
    if desk is None:
        raise TypeError("the scenario has no target")
    for number in range(WRITER_KILLS):
        desk.plan_faults(hand.dice.randint(1, 6))
        wanted = desk.requests + hand.dice.randint(1, 30)
        await world.wait_until(lambda least=wanted: desk.requests >= least, f"{wanted} requests at the target", 20.0)  # type: ignore[misc] # bound at once
        await asyncio.sleep(hand.dice.uniform(0.0, 3 * LATENCY))
        await hand.kill(writers[number % len(writers)], down=hand.dice.uniform(0.0, SESSION + 1.0))


def fail(
    *kinds: Fault, share: float, seconds: float, methods: tuple[str, ...] = ("POST", "PATCH", "GET")
) -> ChaosScript:
    """Let both systems fail in one way."""

    async def script(hand: Hand) -> None:
        systems = hand.world.systems.values()
        failing = partial(hand.let_system_fail, kinds=kinds, share=share, seconds=seconds, methods=methods)
        await asyncio.gather(*(failing(system) for system in systems))

    return script


def break_broker(*, crash: bool, times: int = 2, away: float = 0.0) -> ChaosScript:
    """Restart brokers under load, one after the other."""

    async def script(hand: Hand) -> None:
        for number in range(times):
            await wait_for_work(hand.world, 20)
            nodes = len(hand.world.cluster.nodes)
            await hand.restart_broker(crash=crash and number % 2 == 0, away=away, number=number % nodes)

    return script


async def freeze_broker(hand: Hand) -> None:
    """Stop the broker's process for some seconds, four times."""
    for _ in range(4):
        await wait_for_work(hand.world, 20)
        await hand.freeze_broker(hand.dice.uniform(1.0, SESSION + 2.0))


def take_store_away(*, seconds: float, crash: bool) -> ChaosScript:
    """Take the run store away under load."""

    async def script(hand: Hand) -> None:
        await wait_for_work(hand.world)
        await hand.take_store_away(seconds, crash=crash)

    return script


async def fail_store_over(hand: Hand) -> None:
    """Promote the standby of the store under load, and kill a worker on either side of it."""
    for _ in range(2):
        await wait_for_work(hand.world)
        await hand.kill(one_of_them(hand), down=0.2)
    await hand.fail_store_over(hand.dice.uniform(1.0, 4.0))
    await wait_for_work(hand.world, 20)
    await hand.kill(one_of_them(hand, 0), down=0.2)


async def start_old_primary(hand: Hand) -> None:
    """Let the old primary take writes again after the failover: running and new processes have to leave it alone."""
    world = hand.world
    await wait_for_work(world)
    await hand.fail_store_over(hand.dice.uniform(1.0, 3.0))
    await wait_for_work(world, 20)
    content = await hand.start_old_primary()
    for number in range(2):
        await wait_for_work(world, 30)
        await hand.kill(one_of_them(hand, number), down=0.2)  # what starts has not seen the failover
    await world.wait_until(lambda: world.is_loaded and not world.open_results(), "all results", 300)
    if (now := await world.store.content_of_old_primary()) != content:
        world.oracle.breach(Breach.SPLIT_BRAIN, f"{content} before, {now} at the end")


async def fill_broker_disk(hand: Hand) -> None:
    """Fill the disk of a broker twice, and kill a worker while there is no broker for it."""
    for number in range(2):
        await wait_for_work(hand.world, 30)
        full = asyncio.create_task(hand.fill_broker_disk(hand.dice.uniform(4.0, 8.0)))
        if number:
            await hand.kill(one_of_them(hand), down=0.5, wait=False)
        await full


async def change_tables_in_replay(hand: Hand) -> None:
    """Replay every event and every command while the selector changes sides again and again, and load comes in.

    What was decided stays where it is, whatever the tables say when its records are read a second time.
    """
    world = hand.world
    await wait_for_work(world)
    ended = asyncio.Event()
    changing = asyncio.create_task(_change_sides(hand, ended))
    try:
        for topic in ("lifecycle", "dispatch"):
            await _command_or_breach(hand, "replay", "--topic", topic, "--all", "--rate", "150")
            world.counts["replays"] += 1
            await hand.kill(one_of_them(hand), down=0.2)
    finally:
        ended.set()
        await changing
    if world.counts["published tables"] < MIN_CHANGES:
        world.oracle.breach(Breach.CONDUCTOR, f"the tables changed {world.counts['published tables']} times")


async def _change_sides(hand: Hand, ended: asyncio.Event) -> None:
    texts = [other_side(SELECTOR), SELECTOR]
    while not ended.is_set():
        for text in texts:
            await publish_tables(hand.world.settings, text)
            hand.world.counts["published tables"] += 1
            hand.world.log.append(
                f"{hand.world.now():8.2f} the selector is {'as it was' if text is SELECTOR else 'turned round'}"
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), hand.dice.uniform(0.3, 1.5))


def other_side(selector: str) -> str:
    """Return a selector that sends each run to the other system."""
    table = YAML(typ="safe").load(selector)
    for row in table["rows"]:
        row["then"]["spoke"] = next(spoke for spoke in SPOKES if spoke != row["then"]["spoke"])
    text = StringIO()
    YAML(typ="safe").dump({name: part for name, part in table.items() if name != "tests"}, text)
    return text.getvalue()


async def fill_store_disk(hand: Hand) -> None:
    """Fill the store's disk three times, and kill a worker while it is full: it starts on a full disk."""
    for number in range(3):
        await wait_for_work(hand.world, 30)
        full = asyncio.create_task(hand.fill_store_disk(hand.dice.uniform(4.0, 8.0)))
        if number:
            await hand.kill(one_of_them(hand), down=0.5)
        await full


async def take_dead_spoke_away(hand: Hand) -> None:
    """Let one system refuse connections until the other one has finished all of its runs."""
    world = hand.world
    system = world.systems["copper-lab"]
    world.note("copper-lab away")
    with world.oracle.lasting(world.now):
        await system.stop()
        await wait_for_work(world, 200)
        await system.start()
    world.note("copper-lab is back")


async def stop_in_retry_wait(hand: Hand) -> None:
    """Stop a worker with SIGTERM while every record of a system waits for its next attempt."""
    await wait_for_work(hand.world, 20)
    for system in hand.world.systems.values():
        system.faults = FaultPlan(kinds=(Fault.BUSY,), share=1.0)
    hand.world.note("both systems are busy")
    posts = hand.world.oracle.counts["turned away"]
    await hand.world.wait_until(lambda: hand.world.oracle.counts["turned away"] > posts + 20, "records wait")
    await hand.stop(one_of_them(hand), allowed=(ExitCode.SUCCESS,))
    for system in hand.world.systems.values():
        system.faults = FaultPlan()
    hand.world.note("both systems are sound")


async def stop_in_rebalance(hand: Hand) -> None:
    """Stop a worker with SIGTERM while another one joins."""
    first, second = processing(hand.world)[:2]
    for _ in range(3):
        await wait_for_work(hand.world, 20)
        await hand.stop(second, allowed=(ExitCode.SUCCESS,), down=0.1)  # it joins from now on
        await hand.stop(first, allowed=(ExitCode.SUCCESS,), down=0.1)


async def stop_in_broker_outage(hand: Hand) -> None:
    """Stop a worker with SIGTERM while there is no broker: it may exit unclean, and loses nothing."""
    await wait_for_work(hand.world)
    node, worker = hand.world.cluster.nodes[0], one_of_them(hand)
    hand.world.note("broker is killed")
    await asyncio.to_thread(node.kill)
    with hand.world.oracle.lasting(hand.world.now):
        await _stop_without_broker(hand, node, worker)


async def _stop_without_broker(hand: Hand, node: ClusterNode, worker: ConductedWorker) -> None:
    async with worker.busy:
        hand.world.note(f"SIGTERM {worker.name}")
        await worker.stop(allowed=ANY_EXIT)
        node.launch()
        await asyncio.to_thread(node.wait)
        hand.world.note("broker is back")
        hand.world.counts["broker restarts"] += 1
        worker.launch()


async def stop_twice(hand: Hand) -> None:
    """Send a second SIGTERM while calls are under way: the process ends at once."""
    for system in hand.world.systems.values():
        system.answer_delay = 1.5
    for _ in range(3):
        await wait_for_work(hand.world, 10)
        worker = one_of_them(hand)
        async with worker.busy:
            await worker.wait_until_up()
            hand.world.note(f"SIGTERM twice {worker.name}")
            process = worker.process
            worker.wanted = False
            worker.signal(signal.SIGTERM)
            await hand.world.wait_until(lambda process=process: _has_handled(process), "the first one is handled")  # type: ignore[misc]
            await worker.stop(allowed=(ExitCode.SUCCESS, ExitCode.UNCLEAN_SHUTDOWN))
            worker.launch()
    for system in hand.world.systems.values():
        system.answer_delay = 0.0


def _has_handled(process: object) -> bool:
    try:
        return bool(process.popen.poll() is not None or process.has_handled(signal.SIGTERM))  # type: ignore[attr-defined]
    except (OSError, ValueError):
        return True


async def abort_transactions(hand: Hand) -> None:
    """Leave aborted records and markers of transactions between the load's records."""
    bootstrap, topic = hand.world.cluster.bootstrap, hand.world.names.lifecycle

    def abort(number: int) -> None:
        producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "chaos", "log_level": 0})
        producer.init_transactions(30)
        producer.begin_transaction()
        for key in range(5):
            producer.produce(topic, RUBBISH, f"aborted-{number}-{key}")
        producer.flush(30)
        producer.abort_transaction(30)

    for number in range(5):
        await wait_for_work(hand.world, 10)
        await asyncio.to_thread(abort, number)
        await hand.kill(one_of_them(hand))


def tamper_with_offsets(change: Callable[[World], None], wait: int = SOME) -> ChaosScript:
    """Stop all workers, change what is committed, and start them again."""

    async def script(hand: Hand) -> None:
        world = hand.world
        if wait:
            await wait_for_work(world, wait)
        workers = [*world.workers.values()]
        for worker in workers:
            await worker.busy.acquire()
            world.note(f"SIGTERM {worker.name}")
            await worker.stop()
        await asyncio.to_thread(change, world)
        world.note("committed offsets were changed")
        for worker in workers:
            worker.launch()
            worker.busy.release()

    return script


def move_offsets_down(world: World) -> None:
    """Commit offsets that are 30 lower, so that finished records are read again."""
    _commit(world, lambda _, offset: max(offset - 30, 0), None)


async def move_offsets_up(hand: Hand) -> None:
    """Move what is committed past records that nobody has read, and publish these again by a replay.

    The records are found by what the workers report: each offset that another program committed.
    """
    world = hand.world
    await world.wait_until(lambda: world.is_loaded, "everything is published", 300)
    before = await asyncio.to_thread(read_committed, world.cluster.bootstrap, world.groups(), world.setup.partitions)
    await tamper_with_offsets(move_to_the_end, wait=0)(hand)
    moved = await asyncio.to_thread(read_committed, world.cluster.bootstrap, world.groups(), world.setup.partitions)
    skipped = {place: (before.get(place, 0), end) for place, end in moved.items() if end > before.get(place, 0)}
    world.log.append(f"{world.now():8.2f} skipped: {skipped}")
    reported = await world.wait_until(lambda: "COMMIT_OF_ANOTHER_PROGRAM" in _logs(world), "the offsets are reported")
    if not reported:
        world.oracle.breach(Breach.UNREPORTED, "committed offsets were moved up")
    for (topic, number), (first, end) in skipped.items():
        await _replay(hand, topic, number, first, end)


def move_to_the_end(world: World) -> None:
    """Commit the ends of the lifecycle and dispatch topics, so that what was not read is skipped."""
    ends: dict[tuple[str, int], int] = {}
    reader = Consumer({"bootstrap.servers": world.cluster.bootstrap, "group.id": "conductor", "log_level": 0})
    with closing(reader):
        for topic in world.groups().values():
            for number in range(world.setup.partitions):
                ends[topic, number] = reader.get_watermark_offsets(TopicPartition(topic, number), timeout=10.0)[1]
    world.judge.moved = ends
    _commit(world, lambda place, _: ends[place], None)


def write_foreign_metadata(world: World) -> None:
    """Commit the same offsets with metadata that Southbound did not write."""
    _commit(world, lambda _, offset: offset, "not ours: \u2603")


def delete_offsets(world: World) -> None:
    """Delete the groups, as if their offsets had expired: everything is read again."""
    admin = AdminClient({"bootstrap.servers": world.cluster.bootstrap, "log_level": 0})
    for deletion in admin.delete_consumer_groups([*world.groups()]).values():
        deletion.result(30)


def _commit(world: World, moved: Callable[[tuple[str, int], int], int], metadata: str | None) -> None:
    admin = AdminClient({"bootstrap.servers": world.cluster.bootstrap, "log_level": 0})
    for group, topic in world.groups().items():
        found = read_committed(world.cluster.bootstrap, {group: topic}, world.setup.partitions, timeout=30.0)
        places = [
            TopicPartition(name, number, moved((name, number), offset), metadata=metadata or "")
            for (name, number), offset in found.items()
        ]
        if places:
            request = ConsumerGroupTopicPartitions(group, places)
            for answer in admin.alter_consumer_group_offsets([request]).values():
                try:
                    answer.result(30)
                except KafkaException as error:
                    world.oracle.breach(Breach.EXIT_CODE, f"{group}: {error}")


async def release_held_under_kills(hand: Hand) -> None:
    """Kill workers while records are held behind a dead letter, drop the letter, and kill while they are released."""
    world = hand.world
    await world.wait_until(lambda: len({letter.key for letter in world.judge.letters}) >= 10, "ten dead letters")
    for number in range(3):
        await hand.kill(one_of_them(hand, number % 2), down=0.2)
    for _ in range(4):
        done = asyncio.create_task(_drop_letters(hand))
        await asyncio.sleep(hand.dice.uniform(0.5, 2.0))
        await hand.kill(one_of_them(hand, hand.dice.randrange(2)), down=0.2, wait=False)
        await done
    await world.wait_until(lambda: world.is_loaded, "everything is published", 120)
    for _ in range(MAX_DROPS):
        await _drop_letters(hand)
        if await world.wait_until(lambda: not world.open_results(), "all held runs", 5.0):
            return


async def _drop_letters(hand: Hand) -> None:
    await _run_command(hand, "dlq", "drop", "--reason", "UNDECODABLE")
    hand.world.counts["drops"] += 1


async def _replay(hand: Hand, topic: str, partition: int, first: int, end: int) -> None:
    where = ("--topic", topic, "--partition", str(partition), "--offsets", f"{first}-{end - 1}")
    await _command_or_breach(hand, "replay", *where)
    hand.world.counts["replays"] += 1


async def _command_or_breach(hand: Hand, *words: str) -> None:
    if await _run_command(hand, *words) != ExitCode.SUCCESS:
        hand.world.oracle.breach(Breach.EXIT_CODE, hand.world.log[-1])


def _logs(world: World) -> str:
    """Return the newest log of each worker."""
    return "".join(worker.process.log_text() for worker in world.workers.values() if worker.process is not None)


async def _run_command(hand: Hand, *words: str) -> int | None:
    command = [*words, "--config", str(hand.world.folder / "worker-1.yaml")]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        *command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    hand.world.log.append(f"{hand.world.now():8.2f} {' '.join(words)}: {output.decode().strip()[-200:]}")
    return process.returncode
