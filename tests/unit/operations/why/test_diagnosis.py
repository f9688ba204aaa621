"""The first sentence of `southbound why` names the cause that comes first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from consumers.runtime.commits.finished_offsets import FinishedOffsets
from consumers.runtime.kafka.group_members import GroupMember, GroupMembers
from schemas.topics import TopicNames
from schemas.vocabulary import Phase, RunState
from southbound.operations.events.record_view import RecordView
from southbound.operations.why.diagnosis import (
    Evidence,
    describe_age,
    explain_partition,
    explain_run,
    explain_topics,
    start_command,
)
from southbound.operations.why.groups import PartitionView, TopicView
from southbound.operations.why.process import ProcessView
from southbound.service.lanes_report import LanesReport, PartitionReport, WorkerReport
from southbound.service.roles import ConsumedTopic, consumers_of_topics, readers_of_events
from tests.builders.runs import NOON, a_run

ROLE = "dispatch.fibre-lab"
TOPIC = "testrun.dispatch.fibre-lab"
MEMBER = GroupMember(
    member_id="m", client_id="southbound-dispatch.fibre-lab", host="10.0.0.7", instance=None, partitions=frozenset()
)
STABLE = GroupMembers(group="southbound.dispatch.fibre-lab", state="stable", members=(MEMBER,))
NOT_ASKED = ProcessView(None, "not asked")


def a_partition(number: int = 0, **changes: object) -> PartitionView:
    partition = PartitionView(
        topic=TOPIC, role=ROLE, number=number, frontier=17, end=40, finished=FinishedOffsets(), holder=MEMBER
    )
    return replace(partition, **changes)  # type: ignore[arg-type] # a builder


def a_record(number: int = 0, minutes: float = 5) -> RecordView:
    return RecordView(
        topic=TOPIC,
        short_topic="dispatch.fibre-lab",
        partition=number,
        offset=17,
        at=NOON - timedelta(minutes=minutes),
        key=b"TR0001",
        value=b"",
        event="it is empty",
        dead_letter={},
    )


def evidence_of(
    *partitions: PartitionView,
    members: GroupMembers = STABLE,
    process: ProcessView = NOT_ASKED,
    records: tuple[RecordView, ...] = (),
) -> Evidence:
    topic = TopicView(topic=TOPIC, role=ROLE, members=members, partitions=partitions)
    first = {(ROLE, record.topic, record.partition): record for record in records}
    return Evidence(now=NOON, topics=[topic], first=first, process=process)


OF_THE_WORKER = {"unready", "shut"}


def a_process(**changes: object) -> ProcessView:
    """A process that holds the partition and has none of its records."""
    partition = PartitionReport(
        topic=TOPIC,
        partition=0,
        frontier=17,
        committed=17,
        finished=(),
        next_offset=17,
        buffered=0,
        running=0,
        paused=False,
        crowded=False,
        oldest=None,
    )
    worker = WorkerReport(
        role=ROLE,
        group="g",
        max_in_flight=256,
        running=0,
        startable=0,
        parked=0,
        held=0,
        stuck=0,
        unready=None,
        warnings={},
        partitions=(partition.model_copy(update={k: v for k, v in changes.items() if k not in OF_THE_WORKER}),),
        lanes=(),
    )
    worker = worker.model_copy(update={k: v for k, v in changes.items() if k in OF_THE_WORKER})
    return ProcessView(LanesReport(host="vm", pid=1, workers=(worker,)))


def test_a_partition_without_unfinished_records_is_up_to_date() -> None:
    partition = a_partition(frontier=40)
    assert explain_partition(partition, evidence_of(partition)) == (
        f"Nothing waits on {TOPIC}[0]: every record below offset 40 is finished."
    )
    assert explain_topics(evidence_of(partition)) == f"Nothing waits: every record of {TOPIC} is finished."


def test_finished_offsets_above_the_frontier_do_not_wait() -> None:
    assert a_partition(finished=FinishedOffsets(((18, 20), (25, 40)))).waiting == 6


def test_a_group_without_members_is_told_which_role_to_start() -> None:
    partition = a_partition(holder=None)
    evidence = evidence_of(partition, members=replace(STABLE, members=()), records=(a_record(),))
    assert explain_partition(partition, evidence) == (
        f"a record that cannot be decoded ({TOPIC}[0] offset 17) has waited for 5 min, because no process serves its"
        " partition: group southbound.dispatch.fibre-lab has no members."
        " Start `southbound run dispatch --spoke fibre-lab`."
    )


@pytest.mark.parametrize(
    ("role", "command"),
    [
        ("routing", "`southbound run routing`"),
        ("hub.results", "`southbound run hub`"),
        ("writeback.tickets", "`southbound run writeback`"),
    ],
)
def test_the_role_of_a_group_is_the_one_that_a_command_starts(role: str, command: str) -> None:
    assert start_command(TopicView(topic=TOPIC, role=role, members=STABLE, partitions=())) == command


def test_two_groups_of_one_partition_are_told_apart() -> None:
    ours, theirs = a_partition(), a_partition(role="hub.results", holder=None)
    nobody = replace(STABLE, group="southbound.hub.results", members=())
    topics = [
        TopicView(topic=TOPIC, role=ROLE, members=STABLE, partitions=(ours,)),
        TopicView(topic=TOPIC, role="hub.results", members=nobody, partitions=(theirs,)),
    ]
    evidence = Evidence(now=NOON, topics=topics, first={ours.place: a_record()}, process=a_process(running=1))
    assert explain_partition(ours, evidence).endswith("has waited for 5 min, and is being read.")
    assert explain_partition(theirs, evidence).endswith("has no members. Start `southbound run hub`.")


def test_the_groups_of_the_hub_and_of_targets_read_the_topics_of_events() -> None:
    names = TopicNames("p.")
    assert readers_of_events(["writeback.t", "routing", "hub.inflight", "hub.x", "writeback."], names) == [
        ConsumedTopic(names.inflight, "hub.inflight"),
        ConsumedTopic(names.inflight, "writeback.t"),
        ConsumedTopic(names.results, "writeback.t"),
    ]


def test_redriven_records_of_streams_have_a_reader() -> None:
    names = TopicNames("p.")
    known = {names.lifecycle, names.ingress, names.dispatch("fibre-lab"), names.results, "p.testrun.other"}
    assert consumers_of_topics(known, names) == {
        names.lifecycle: "routing",
        names.ingress: "ingress",
        names.dispatch("fibre-lab"): "dispatch.fibre-lab",
    }
    assert readers_of_events(["egress.other", "ingress", "ingress.desk"], names) == []  # a profile chooses for egress


def test_a_partition_that_no_member_holds_names_the_state_of_the_group() -> None:
    partition = a_partition(holder=None)
    evidence = evidence_of(partition, members=replace(STABLE, state="preparing_rebalancing"))
    assert explain_partition(partition, evidence).endswith(
        "the only member of group southbound.dispatch.fibre-lab does not hold its partition: the group is"
        " preparing_rebalancing."
    )


def test_an_open_circuit_breaker_is_the_cause_before_the_problem_of_one_record() -> None:
    partition = a_partition()
    evidence = evidence_of(partition, process=a_process(shut="the circuit breaker is open: it answered 503"))
    assert explain_partition(partition, evidence).endswith(": the circuit breaker is open: it answered 503.")


def test_members_that_may_not_be_read_are_no_cause() -> None:
    partition = a_partition(holder=None)
    members = replace(STABLE, members=(), problem="not authorised")
    assert explain_partition(partition, evidence_of(partition, members=members)).endswith(
        "and it is not known who holds its partition."
    )


@pytest.mark.parametrize(
    ("process", "end"),
    [
        (a_process(unready="no broker has answered"), ": no broker has answered."),
        (a_process(paused=True), "the intake of its partition is paused."),
        (a_process(), "and is being read."),
        (NOT_ASKED, f"{TOPIC}[0] is held by southbound-dispatch.fibre-lab at 10.0.0.7."),
    ],
)
def test_a_record_that_its_process_has_not_received_says_why(process: ProcessView, end: str) -> None:
    partition = a_partition()
    assert explain_partition(partition, evidence_of(partition, process=process, records=(a_record(),))).endswith(end)


def test_of_several_partitions_the_one_with_the_oldest_record_is_explained() -> None:
    evidence = evidence_of(a_partition(0), a_partition(1), records=(a_record(0, 5), a_record(1, 600)))
    assert explain_topics(evidence).startswith(
        f"46 records wait on 2 partitions. The oldest: a record that cannot be decoded ({TOPIC}[1] offset 17) has"
        " waited for 10 h"
    )


@pytest.mark.parametrize("phase", [Phase.ROUTED, Phase.SENDING, Phase.RETRYING, Phase.IN_DOUBT])
def test_a_run_for_which_no_command_waits_is_found(phase: Phase) -> None:
    evidence = evidence_of(a_partition(frontier=40))
    sentence = explain_run(a_run(phase=phase), [], evidence, complete=True)
    assert f"it is in phase {phase} since " in sentence
    assert "no command waits for it. The role routing publishes its command again a day after" in sentence
    assert "no command" not in explain_run(a_run(phase=phase), [], evidence, complete=False)


def test_a_run_at_its_system_is_explained_by_what_is_stored() -> None:
    row = a_run(phase=Phase.IN_PROGRESS, state=RunState.IN_PROGRESS)
    sentence = explain_run(row, [], evidence_of(a_partition(frontier=40)), complete=True)
    assert sentence.startswith(
        "TR0001 does not move: fibre-lab has accepted it as ext-TR0001, which reports inProgress"
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (5, "5 s"), (119, "119 s"), (300, "5 min"), (7200, "2 h"), (259_200, "3 d")]
)
def test_ages_have_one_unit(seconds: float, text: str) -> None:
    assert describe_age(NOON, NOON - timedelta(seconds=seconds)) == text
