"""A run whose command is gone is commanded again, and a run whose command is there is sent once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import structlog

from consumers.metrics import COMMANDS_REPEATED, Metrics
from consumers.routing.commands import CommandPublisher
from consumers.routing.repeat_commands import CommandRepeater
from producers.publisher import PublishError
from router.responses import Purpose
from router.runs.transitions import COMMANDED_PHASES
from schemas.topics import TopicNames
from schemas.vocabulary import Phase, UpdateKind
from southbound.operations.run_views import status_sentences
from southbound.service.composition.observers import repetition_counter
from tests.builders.runs import NOON, TREE, a_document, a_run, a_tree
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from collections.abc import Callable

    from router.runs.run import RunRow

LONG_AGO = NOON - timedelta(days=8)


def a_repeater(gateway: InMemoryGateway, on_repeated: Callable[[RunRow], None] = lambda _: None) -> CommandRepeater:
    updater = gateway.updater
    return CommandRepeater(
        updater=updater,
        commands=CommandPublisher(updater.announcer),
        warn=gateway.problems.append,
        on_repeated=on_repeated,
    )


@pytest.mark.parametrize("phase", [Phase.ROUTED, Phase.RETRYING])
async def test_a_run_whose_command_is_gone_is_sent(phase: Phase) -> None:
    gateway = InMemoryGateway(store=InMemoryRunStore(a_run(phase=phase, updated_at=LONG_AGO)))
    assert await a_repeater(gateway).repeat_overdue() == 1
    await gateway.run_until_idle()
    assert gateway.row().phase is Phase.ACCEPTED
    assert gateway.updates() == [UpdateKind.PROGRESS, UpdateKind.ACCEPTED]


@pytest.mark.parametrize("phase", [Phase.SENDING, Phase.IN_DOUBT])
async def test_a_run_in_doubt_whose_command_is_gone_is_looked_up_first(phase: Phase) -> None:
    row = a_run(phase=phase, updated_at=LONG_AGO, sent=a_document(), sent_at=LONG_AGO)
    gateway = InMemoryGateway(store=InMemoryRunStore(row))
    gateway.system.tests["ext-TR0001"] = {"id": "ext-TR0001", "name": "Line test TR0001", "state": "inProgress"}
    await a_repeater(gateway).repeat_overdue()
    await gateway.run_until_idle()
    assert gateway.row().phase is Phase.IN_PROGRESS
    assert gateway.system.calls_made(Purpose.SEND) == []


async def test_a_command_is_repeated_once_a_day_and_a_run_that_has_it_is_sent_once() -> None:
    gateway = InMemoryGateway(store=InMemoryRunStore(a_run(updated_at=LONG_AGO)))
    assert await a_repeater(gateway).repeat_overdue() == 1
    assert await a_repeater(gateway).repeat_overdue() == 0
    gateway.clock.at += timedelta(days=1, seconds=1)
    assert await a_repeater(gateway).repeat_overdue() == 1
    await gateway.run_until_idle()
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


async def test_a_bundle_whose_command_is_gone_is_sent_whole() -> None:
    bundle = TREE.model_copy(update={"payload": "bundle"})
    root, *children = (a_tree(children=0, spec="fibre-bundle"), *a_tree(children=2).children)
    rows = [a_run(document=one, decision=bundle, updated_at=LONG_AGO) for one in (root, *children)]
    gateway = InMemoryGateway(store=InMemoryRunStore(*rows))
    assert await a_repeater(gateway).repeat_overdue() == 3
    await gateway.run_until_idle()
    assert {row.phase for row in gateway.store.runs.values()} == {Phase.ACCEPTED}
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


async def test_a_parent_is_commanded_again_before_its_children_whatever_their_ids() -> None:
    root, child = a_document("TR9000"), a_document("TR0001", parent="TR9000")
    rows = [
        a_run(document=child, decision=TREE, updated_at=LONG_AGO),
        a_run(document=root, decision=TREE, updated_at=LONG_AGO),
    ]
    gateway = InMemoryGateway(store=InMemoryRunStore(*rows))
    assert await a_repeater(gateway).repeat_overdue() == 2
    await gateway.run_until_idle()
    assert [name.split()[-1] for name in gateway.system.posted_names()] == ["TR9000", "TR0001"]
    assert {row.phase for row in gateway.store.runs.values()} == {Phase.ACCEPTED}


async def test_a_child_of_a_bundle_whose_root_moves_is_not_commanded_alone() -> None:
    bundle = TREE.model_copy(update={"payload": "bundle"})
    root, (child,) = a_tree(children=0, spec="fibre-bundle"), a_tree(children=1).children
    rows = [
        a_run(document=root, decision=bundle, updated_at=NOON),
        a_run(document=child, decision=bundle, updated_at=LONG_AGO),
    ]
    gateway = InMemoryGateway(store=InMemoryRunStore(*rows))
    assert await a_repeater(gateway).repeat_overdue() == 0


async def test_runs_that_no_command_moves_on_are_left_alone() -> None:
    others = [phase for phase in Phase if phase not in {Phase.ROUTED, Phase.RETRYING, Phase.SENDING, Phase.IN_DOUBT}]
    rows = [a_run(f"TR{n}", phase=phase, updated_at=LONG_AGO) for n, phase in enumerate(others)]
    gateway = InMemoryGateway(store=InMemoryRunStore(*rows, a_run("TR99", updated_at=NOON)))
    assert await a_repeater(gateway).repeat_overdue() == 0


@pytest.mark.parametrize("phase", COMMANDED_PHASES)
async def test_a_run_whose_command_is_repeated_is_logged_counted_and_told_by_why(phase: Phase) -> None:
    gateway = InMemoryGateway(store=InMemoryRunStore(a_run(phase=phase, updated_at=LONG_AGO)))
    metrics = Metrics()
    with structlog.testing.capture_logs() as logged:
        await a_repeater(gateway, repetition_counter(metrics)).repeat_overdue()
    assert [(line["run"], line["phase"], line["since"]) for line in logged] == [("TR0001", phase, LONG_AGO.isoformat())]
    counted = metrics.registry.get_sample_value(COMMANDS_REPEATED.name, {"spoke": "fibre-lab", "phase": phase.value})
    assert counted == 1
    told = [line for line in status_sentences(gateway.row()) if line.startswith("published last: progress")]
    assert len(told) == 1
    assert "COMMAND_REPEATED" in told[0]


async def test_a_system_whose_topic_is_gone_keeps_no_run_of_another_system_waiting() -> None:
    rows = [
        a_run("TR0001", spoke="fibre-lab", request_id="RQ1", updated_at=LONG_AGO),
        a_run("TR0002", spoke="fibre-lab", request_id="RQ2", updated_at=LONG_AGO),
        a_run("TR0003", spoke="copper-lab", request_id="RQ3", updated_at=LONG_AGO + timedelta(hours=1)),
    ]
    gateway = InMemoryGateway(store=InMemoryRunStore(*rows))
    gateway.publisher.fail_topic(TopicNames().dispatch("fibre-lab"))
    found: list[str] = []
    with pytest.raises(PublishError):
        await a_repeater(gateway, lambda row: found.append(row.run_id)).repeat_overdue()
    assert found == ["TR0003"]
