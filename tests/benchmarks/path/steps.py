"""Measure the cost of each step of a run in isolation, with warm caches: a lower bound, not its share of the path."""

from __future__ import annotations

import asyncio
import resource
import tempfile
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import uvloop

from consumers.routing.decide import Decider
from consumers.spokes.http_client import SpokeClient
from consumers.spokes.registry import spoke_for
from consumers.store.group_commit import GroupCommit
from consumers.store.sql_store import open_store
from producers.event_publisher import EventPublisher
from producers.kafka_publisher import KafkaPublisher, producer_settings
from router.responses import HttpResponse
from router.runs.advance import advance
from router.selection.load import RoutingTables
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope
from schemas.commands import SendRun
from southbound.service.load_rules import load_rules
from southbound.settings.settings import RoutingSettings
from tests.benchmarks.machine import on_core
from tests.benchmarks.page import markdown_table
from tests.benchmarks.path.load import a_request
from tests.benchmarks.path.run_samples import EventSample, a_run_sample
from tests.builders.runs import NOON, SINGLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.spokes.port import Call, Spoke
    from router.runs.run import RequestRow, RunRow
    from router.selection.thresholds import ThresholdUse
    from schemas.topics import TopicNames

SampleWork = Callable[[EventSample], Awaitable[object]]
StepCost = tuple[str, float]  # the step, and the CPU microseconds of all threads for one run

RUNS = 1_000
CONCURRENCY = 64
ROUNDS = 5  # the best round counts: a disturbance affects some rounds, not all
SPOKE = "fibre-lab"
ENVELOPE = Envelope(Codec())


def measure_steps(bootstrap: str, topics: TopicNames, system: str, core: int) -> str:
    """Measure all steps on one core and return the table. The topics must exist."""
    with on_core(core):
        steps = uvloop.run(_all_steps(bootstrap, topics, system))
    rows = [*steps, ("all of them", sum(cost for _, cost in steps))]
    return markdown_table(("step", "CPU-ms per 1,000 runs"), [(name, f"{cost:.0f}") for name, cost in rows])


async def _all_steps(bootstrap: str, topics: TopicNames, system: str) -> list[StepCost]:
    rules = load_rules(RoutingSettings())
    tables = rules.tables
    assert isinstance(tables, RoutingTables)
    decide = Decider(tables=lambda: tables)
    profile = next(profile for profile in rules.profiles if profile.name == SPOKE).model_copy(
        update={"base_url": system}
    )
    spoke, client = spoke_for(profile), SpokeClient([profile], {})
    publisher = KafkaPublisher(producer_settings(bootstrap))
    try:
        call = _call(spoke)
        answer = await client.call(SPOKE, call)
        if not isinstance(answer, HttpResponse):
            raise TypeError(f"the system did not answer: {answer}")
        samples = [a_run_sample(f"R{number:06d}", decide, spoke.read_reply(answer)) for number in range(RUNS)]
        return [
            *await _pure_steps(samples, decide, spoke, answer),
            ("HTTP: limit, POST, answer", await _best_cost(samples, lambda _: client.call(SPOKE, call))),
            *await _store_steps(samples),
            *await _publish_steps(samples, EventPublisher(publisher=publisher, envelope=ENVELOPE, topics=topics)),
        ]
    finally:
        await publisher.close()
        await client.close()


def _call(spoke: Spoke) -> Call:
    command = SendRun(run=a_request("R"), request_id="RQ", spoke=SPOKE, decision=SINGLE)
    return spoke.to_send(command, None)


async def _pure_steps(
    samples: Sequence[EventSample], decide: Decider, spoke: Spoke, answer: HttpResponse
) -> list[StepCost]:
    steps: dict[str, Callable[[EventSample], object]] = {
        "decode RunRequested": lambda sample: ENVELOPE.decode(
            sample.record.value, sample.record.headers, fallback_id=""
        ),
        "decide: policy, selector, explanation": lambda sample: decide.decide(sample.routed.requested),
        "advance: sending": lambda sample: advance(sample.routed, sample.begun, NOON),
        "TMF653: write the request": lambda sample: spoke.to_send(sample.command, None),
        "TMF653: read the reply": lambda _: spoke.read_reply(answer),
        "advance: accepted and completed": lambda sample: advance(sample.sending, sample.done, NOON),
    }
    return [(name, await _best_cost(samples, _as_work(step))) for name, step in steps.items()]


def _as_work(step: Callable[[EventSample], object]) -> SampleWork:
    async def work(sample: EventSample) -> object:
        return step(sample)

    return work


async def _store_steps(samples: Sequence[EventSample]) -> list[StepCost]:
    names = ("store: insert request and run", "store: read the run", "store: save sending", "store: save the end")
    rounds = [await _store_costs(samples) for _ in range(ROUNDS)]
    return [(name, min(costs)) for name, costs in zip(names, zip(*rounds, strict=True), strict=True)]


async def _store_costs(samples: Sequence[EventSample]) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        store = await open_store(f"sqlite:///{folder}/runs.db")
        saves: GroupCommit[Sequence[RunRow | RequestRow | ThresholdUse], None] = GroupCommit(
            store.save_each, max_weight=CONCURRENCY
        )
        try:
            return [
                await _cpu_micros_per_sample(samples, lambda sample: saves.submit((sample.request, sample.routed))),
                await _cpu_micros_per_sample(samples, lambda sample: store.run(sample.routed.run_id)),
                await _cpu_micros_per_sample(samples, lambda sample: saves.submit((sample.sending,))),
                await _cpu_micros_per_sample(samples, lambda sample: saves.submit((sample.ended,))),
            ]
        finally:
            await store.close()


async def _publish_steps(samples: Sequence[EventSample], events: EventPublisher) -> list[StepCost]:
    return [
        (
            "encode and publish SendRun",
            await _best_cost(samples, lambda sample: events.publish([sample.command_event])),
        ),
        (
            "encode and publish three outcomes",
            await _best_cost(samples, lambda sample: events.publish(sample.outcomes)),
        ),
    ]


async def _best_cost(samples: Sequence[EventSample], work: SampleWork) -> float:
    return min([await _cpu_micros_per_sample(samples, work) for _ in range(ROUNDS)])


async def _cpu_micros_per_sample(samples: Sequence[EventSample], work: SampleWork) -> float:
    """Return CPU microseconds per sample, with as many at once as a spoke allows."""
    waiting = iter(samples)

    async def lane() -> None:
        for sample in waiting:
            await work(sample)

    before = _cpu_seconds()
    await asyncio.gather(*(lane() for _ in range(CONCURRENCY)))
    return (_cpu_seconds() - before) / len(samples) * 1e6


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
