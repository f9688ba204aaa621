"""A bundle is one POST: root and children are accepted, refused, in doubt and looked up together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from router.responses import Purpose
from schemas.commands import SendRun
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import a_document, a_tree
from tests.fakes.external_system import LOCKED, CallFault, body_of
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from router.runs.run import RequestRow, RunRow
    from router.selection.thresholds import ThresholdUse

ALL = ("TR0001", "TR0001-1", "TR0001-2")


def rows(gateway: InMemoryGateway) -> list[RunRow]:
    return [gateway.row(run_id) for run_id in ALL]


async def a_bundle(gateway: InMemoryGateway | None = None) -> InMemoryGateway:
    gateway = gateway or InMemoryGateway()
    await gateway.process_request(a_tree(spec="fibre-bundle", children=2))
    return gateway


async def test_a_bundle_is_one_command_and_one_post_with_the_children_inside() -> None:
    gateway = await a_bundle()
    commands = [event.data for event in gateway.published_events() if isinstance(event.data, SendRun)]
    assert [[child.run_id for child in command.run.children] for command in commands] == [["TR0001-1", "TR0001-2"]]
    (post,) = gateway.system.calls_made(Purpose.SEND)
    assert len(body_of(post)["childServiceTest"]) == 2


async def test_every_run_of_a_bundle_gets_its_own_external_id() -> None:
    gateway = await a_bundle()
    assert [row.external_id for row in rows(gateway)] == ["ext-TR0001", "ext-TR0001-1", "ext-TR0001-2"]
    assert [gateway.updates(run_id) for run_id in ALL] == [[UpdateKind.ACCEPTED]] * 3


async def test_children_without_an_id_in_the_answer_are_recognised_by_their_reports() -> None:
    gateway = InMemoryGateway()
    gateway.system.nests_children = False
    await a_bundle(gateway)
    assert [row.external_id for row in rows(gateway)] == ["ext-TR0001", None, None]
    identifier = [{"id": "TR0001-1", "owner": "southbound"}]
    await gateway.process_callback("a", state="completed", testMeasure=[], externalIdentifier=identifier)
    await gateway.process_callback("b", state="completed", testMeasure=[], name="Line test TR0001-2")
    await gateway.process_callback("ext-TR0001", state="completed", testMeasure=[])
    assert [row.external_id for row in rows(gateway)] == ["ext-TR0001", "a", "b"]
    assert gateway.request_results()[-1].counts == {"completed": 3}


async def test_a_report_of_the_root_contains_the_reports_of_its_children() -> None:
    gateway = await a_bundle()
    inside = [{"id": "ext-TR0001-1", "state": "completed"}, {"id": "ext-TR0001-2", "state": "failed"}]
    await gateway.process_callback("ext-TR0001", state="completed", testMeasure=[], childServiceTest=inside)
    assert [row.state for row in rows(gateway)] == [RunState.COMPLETED, RunState.COMPLETED, RunState.FAILED]
    assert gateway.request_results()[-1].counts == {"completed": 2, "failed": 1}


async def test_a_bundle_that_is_answered_at_once_gives_a_result_for_every_run() -> None:
    gateway = InMemoryGateway()
    gateway.system.states.update(dict.fromkeys(ALL, "completed"))
    await a_bundle(gateway)
    assert [len(gateway.results(run_id)) for run_id in ALL] == [1, 1, 1]
    assert [result.counts for result in gateway.request_results()] == [{"completed": 3}]


async def test_the_refusal_of_the_root_blocks_all_children() -> None:
    gateway = InMemoryGateway()
    gateway.system.refused.add("TR0001")
    await a_bundle(gateway)
    assert [row.phase for row in rows(gateway)] == [Phase.FAILED, Phase.BLOCKED, Phase.BLOCKED]
    assert gateway.request_results()[-1].counts == {"rejected": 1, "cancelled": 2}


@pytest.mark.parametrize(("fault", "posts"), [(CallFault.RESPONSE_LOST, 1), (CallFault.REQUEST_LOST, 2)])
async def test_an_unknown_outcome_is_looked_up_and_every_run_gets_its_id_from_the_result(
    fault: CallFault, posts: int
) -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, fault)
    await a_bundle(gateway)
    assert len(gateway.system.calls_made(Purpose.SEND)) == posts
    assert [row.phase for row in rows(gateway)] == [Phase.ACCEPTED] * 3
    assert all(UpdateKind.IN_DOUBT in gateway.updates(run_id) for run_id in ALL)


async def test_a_bundle_that_is_given_up_needs_one_redrive() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[LOCKED] * 4)
    await a_bundle(gateway)
    assert [row.phase for row in rows(gateway)] == [Phase.FALLOUT] * 3
    assert gateway.dead_letter_codes() == ["CALL_TRANSIENT"]
    gateway.redeliver(gateway.dead_lettered[0][0])
    await gateway.run_until_idle()
    assert [row.phase for row in rows(gateway)] == [Phase.ACCEPTED] * 3


async def test_a_child_cancelled_before_the_post_is_left_out_with_the_runs_below_it() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[LOCKED] * 4)
    below = a_document("C", root="TR0001", parent="TR0001-1")
    tree = a_tree(spec="fibre-bundle", children=2)
    await gateway.process_request(tree.model_copy(update={"children": (*tree.children, below)}))
    await gateway.process_cancellation("TR0001-1", root="TR0001")
    gateway.redeliver(gateway.dead_lettered[0][0])
    await gateway.run_until_idle()
    assert len(body_of(gateway.system.calls_made(Purpose.SEND)[-1])["childServiceTest"]) == 1
    assert [gateway.row(run_id).phase for run_id in ("TR0001-1", "C", "TR0001-2")] == [
        Phase.CANCELLED,
        Phase.BLOCKED,
        Phase.ACCEPTED,
    ]


async def test_a_bundle_that_is_cancelled_before_the_post_is_not_sent() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[LOCKED] * 4)
    await a_bundle(gateway)
    await gateway.process_cancellation("TR0001")
    assert [row.phase for row in rows(gateway)] == [Phase.CANCELLED] * 3
    assert len(gateway.system.calls_made(Purpose.SEND)) == 4


async def test_a_child_that_is_added_later_is_sent_by_itself_below_its_parent() -> None:
    gateway = await a_bundle()
    tree = a_tree(spec="fibre-bundle", children=3, version=2)
    await gateway.process_change(tree)
    assert gateway.system.posted_names() == ["Line test TR0001", "Line test TR0001-3"]
    assert gateway.row("TR0001-3").phase is Phase.ACCEPTED


async def test_a_bundle_that_is_delivered_again_is_sent_once() -> None:
    gateway = await a_bundle()
    ids = {event.id for event in gateway.published_events()}
    await a_bundle(gateway)
    (sent,) = [m for m in gateway.publisher.published if m.topic == gateway.names.dispatch("fibre-lab")]
    gateway.produce_bytes(sent.topic, sent.value, sent.headers)
    await gateway.run_until_idle()
    assert {event.id for event in gateway.published_events()} == ids
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


async def test_an_external_id_that_is_answered_for_two_runs_is_given_to_neither() -> None:
    gateway = InMemoryGateway()
    gateway.system.answers_with_duplicates = True
    await a_bundle(gateway)
    assert [row.external_id for row in rows(gateway)] == ["ext-TR0001", None, None]


async def test_a_single_run_is_not_sent_as_a_bundle() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(spec="fibre-bundle"))
    assert gateway.row().phase is Phase.ACCEPTED


class StaleReadStore(InMemoryRunStore):
    """Returns the first saved row of a run to send, as a process does that routed the run and has sent none since."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, RunRow] = {}

    async def save(self, *rows: RunRow | RequestRow | ThresholdUse) -> None:
        await super().save(*rows)
        self.first = {**self.runs, **self.first}

    async def run_to_send(self, run_id: str) -> RunRow | None:
        return self.first.get(run_id)


async def test_a_bundle_that_another_process_posted_is_not_judged_by_the_outdated_row_of_its_root() -> None:
    gateway = InMemoryGateway(store=StaleReadStore())
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    await a_bundle(gateway)
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    assert {row.phase for row in rows(gateway)} == {Phase.ACCEPTED}
