"""`southbound replay`: its modes, the spool of events, and the progress of a long command."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
import pytest

from consumers.store.sql_store import open_store
from router.recovery.fold import fold_hierarchy
from router.runs.run import RunRow, replace
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.commands import SendRun
from schemas.lifecycle import RunRequested
from schemas.topics import TopicNames
from schemas.vocabulary import Phase
from southbound.operations.progress import progress_sentence
from southbound.operations.replay.event_spool import SpooledEvent, open_spool
from southbound.operations.replay.read_topics import topics_of_runs
from tests.builders.runs import NOON, SINGLE, a_document, a_run
from tests.harness.command_line import southbound

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.catalogue import EventData

ENVELOPE = Envelope(Codec())


@pytest.mark.parametrize("options", [(), ("--rebuild", "--compare")])
def test_exactly_one_mode_is_chosen(options: tuple[str, ...]) -> None:
    result = southbound("replay", *options)
    assert (result.exit_code, "choose one of" in result.output) == (2, True)


def test_a_store_that_is_compared_has_to_exist(tmp_path: Path) -> None:
    result = southbound("replay", "--compare", SOUTHBOUND_STORE__URL=f"sqlite:///{tmp_path}/none.db")
    assert (result.exit_code, "There is no run store" in result.output) == (3, True)


def spooled(root: str, event_id: str, data: EventData) -> SpooledEvent:
    value, _ = ENVELOPE.encode(Event(headers=EventHeaders(id=event_id), data=data))
    headers = EventHeaders(id=event_id, content_type="application/avro", replay="redrive-1")
    return SpooledEvent(root, NOON.timestamp(), headers, value)


def test_a_spool_returns_the_events_of_each_root_run_in_their_order() -> None:
    command = SendRun(run=a_document("TR1"), request_id="RQ1", spoke="fibre-lab", decision=SINGLE)
    with open_spool(ENVELOPE) as spool:
        spool.add([spooled("TR1", "1", RunRequested(run=a_document("TR1")))])
        spool.add([spooled("TR2", "2", RunRequested(run=a_document("TR2"))), spooled("TR1", "3", command)])
        events = dict(spool.hierarchies())
        assert spool.count_roots() == 2
        [row] = fold_hierarchy("TR1", events["TR1"], NOON).runs
        spool.note_runs(["TR1", "TR1"])
        assert (spool.has_run("TR1"), spool.has_run("TR2")) == (True, False)
    found = {root: [(each.event.id, each.event.headers.replay) for each in known] for root, known in events.items()}
    assert found == {"TR1": [("1", "redrive-1"), ("3", "redrive-1")], "TR2": [("2", "redrive-1")]}
    assert (row.phase, row.request_id) == (Phase.IN_DOUBT, "RQ1")


def test_the_topics_of_every_spoke_are_folded_even_if_it_has_no_profile_any_more() -> None:
    names = TopicNames("p.")
    known = ["p.testrun.dispatch.gone", "testrun.dispatch.other", "p.testrun.dlq", "p.testrun.inbound"]
    assert topics_of_runs(known, names) == [
        "p.testrun.lifecycle",
        "p.testrun.dispatch.gone",
        "p.testrun.inflight",
        "p.testrun.results",
    ]


def test_progress_names_the_rate_and_the_time_left() -> None:
    assert progress_sentence("reading", 250, 1_000, 5.0) == "reading: 250 of 1,000 (25%), 50/s, 15 s left"
    assert progress_sentence("reading", 0, 0, 0.0) == "reading: 0 of 0, 0/s"
    assert progress_sentence("reading", 250, None, 5.0) == "reading: 250, 50/s"


async def a_store(file: Path, *rows: RunRow) -> None:
    store = await open_store(f"sqlite:///{file}")
    await store.save(*rows)
    await store.close()


def test_two_stores_are_compared_and_their_differences_named(tmp_path: Path) -> None:
    same, moved, only = a_run("TR1"), a_run("TR2", request_id="RQ2"), a_run("TR3", request_id="RQ3")
    asyncio.run(a_store(tmp_path / "one.db", same, moved))
    asyncio.run(a_store(tmp_path / "two.db", same, replace(moved, spoke="copper-lab"), only))
    one, two = f"sqlite:///{tmp_path}/one.db", f"sqlite:///{tmp_path}/two.db"
    equal = southbound("replay", "--compare", "--with", one, SOUTHBOUND_STORE__URL=one)
    assert (equal.exit_code, "2 runs" in equal.output, "are equal" in equal.output) == (0, True, True)
    not_compared = equal.stderr.partition("Not compared: ")[2]
    assert "created_at, " in not_compared
    assert "last_notification, " in not_compared
    assert "timelines" in not_compared
    assert "external_id" not in not_compared
    result = southbound("replay", "--compare", "--json", "--with", two, SOUTHBOUND_STORE__URL=one)
    found = [orjson.loads(line) for line in result.output.splitlines() if line.startswith("{")]
    assert found == [
        {"run_id": "TR2", "field": "spoke", "left": "fibre-lab", "right": "copper-lab"},
        {"run_id": "TR3", "field": "phase", "left": None, "right": "routed"},
    ]
    assert (result.exit_code, "2 of 3 runs differ" in result.output) == (2, True)
